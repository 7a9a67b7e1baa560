import { JoinRequest } from '@thinman/protocol';
import { send } from '../admin-plane/route.ts';
import type { HttpApp } from '../http/codec.ts';
import { refusingTrouble } from '../http/outcome.ts';
import { type JoinDeps, join } from './join.ts';

/** Three keys, a name and a URL. */
const MAX_JOIN_BODY_BYTES = 32 * 1024;

/** `POST /v1/join`: no client certificate, the token's secret is what counts. */
export function joinRoute(deps: JoinDeps) {
  return async (app: HttpApp): Promise<void> => {
    app.post('/v1/join', { schema: { body: JoinRequest }, bodyLimit: MAX_JOIN_BODY_BYTES }, async (request, reply) =>
      send(reply, await refusingTrouble(() => join(deps, request.body))),
    );
  };
}
