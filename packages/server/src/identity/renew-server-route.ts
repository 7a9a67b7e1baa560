import { RenewRequest } from '@thinman/protocol';
import type { Logger } from 'pino';
import { send } from '../admin-plane/route.ts';
import type { HttpApp } from '../http/codec.ts';
import { refused, refusingTrouble } from '../http/outcome.ts';
import { devicePeer, isExpiredOfSite } from '../http/peer.ts';
import { type RenewServerDeps, renewServer } from './renew-server.ts';

/** One certificate request. */
const MAX_RENEW_BODY_BYTES = 32 * 1024;

/** `POST /v1/renew-server`: a Secondary, by the key of its TLS connection; its certificate may have expired. */
export function renewServerRoute(deps: RenewServerDeps & { readonly log: Logger }) {
  return async (app: HttpApp): Promise<void> => {
    const options = { schema: { body: RenewRequest }, bodyLimit: MAX_RENEW_BODY_BYTES };
    app.post('/v1/renew-server', options, async (request, reply) => {
      const { socket } = request.raw;
      const peer = devicePeer(socket);
      const isOfSite = peer?.authorized === true || isExpiredOfSite(socket, deps.identity.caCertificates);
      if (peer === undefined || !isOfSite) {
        return send(reply, refused('forbidden', { detail: 'no certificate of this site was shown' }));
      }
      const outcome = await refusingTrouble(() => renewServer(deps, peer.keyHash, request.body.csr));
      if (outcome.ok) deps.log.info({ server: outcome.value.name }, 'a server has a new certificate');
      return send(reply, outcome);
    });
  };
}
