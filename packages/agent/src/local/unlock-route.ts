import { LocalUnlockRequest, type LoginResult } from '@thinman/protocol';
import { sendJson, sendProblem } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';
import { type Called, tryRoute } from './try-route.ts';

const NOBODY = 'nobody is signed in on this device: log in';

/** `POST /v1/unlock`: a login of whoever is signed in. `answer`: what of its result is told; default: all. */
export function unlockRoute(
  agent: Pick<LocalAgent, 'unlock'>,
  called: Called,
  answer: (result: LoginResult) => unknown = result => result,
): Promise<void> {
  return tryRoute(LocalUnlockRequest, called, {
    run: ({ password }) => agent.unlock(password),
    failed: result => result?.verdict === 'denied',
    tell(result) {
      if (result === undefined) sendProblem(called.response, 'not_found', { detail: NOBODY });
      else sendJson(called.response, answer(result));
    },
  });
}
