import { LocalLoginRequest, type LoginResult } from '@thinman/protocol';
import { sendJson } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';
import { type Called, tryRoute } from './try-route.ts';

/** `POST /v1/login`. `answer`: what of its result is told; default: all. */
export function loginRoute(
  agent: Pick<LocalAgent, 'login'>,
  called: Called,
  answer: (result: LoginResult) => unknown = result => result,
): Promise<void> {
  return tryRoute(LocalLoginRequest, called, {
    run: ({ user, password }) => agent.login(user, password),
    failed: ({ verdict }) => verdict === 'denied',
    tell: result => sendJson(called.response, answer(result)),
  });
}
