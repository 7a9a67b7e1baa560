import { LocalPasswordRequest } from '@thinman/protocol';
import { sendJson } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';
import { type Called, tryRoute } from './try-route.ts';

/** `POST /v1/password`: a user's own change. A wrong old password counts as at a login. */
export function passwordRoute(agent: Pick<LocalAgent, 'changePassword'>, called: Called): Promise<void> {
  return tryRoute(LocalPasswordRequest, called, {
    run: ({ user, password, newPassword }) => agent.changePassword(user, password, newPassword),
    failed: ({ changed }) => !changed,
    tell: result => sendJson(called.response, result),
  });
}
