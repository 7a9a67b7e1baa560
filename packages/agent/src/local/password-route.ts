import type { IncomingMessage, ServerResponse } from 'node:http';
import { LocalPasswordRequest } from '@thinman/protocol';
import type { ConnectionRoom } from './connection-room.ts';
import type { createFailureLimit } from './failure-limit.ts';
import { sendJson, sendProblem, takeBody } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';

/** `POST /v1/password`: a user's own change. A wrong old password counts as at a login. */
export async function passwordRoute(
  agent: Pick<LocalAgent, 'changePassword'>,
  request: IncomingMessage,
  response: ServerResponse,
  room: ConnectionRoom,
  limit?: ReturnType<typeof createFailureLimit>,
): Promise<void> {
  const asked = await takeBody(LocalPasswordRequest, request, response);
  if (asked === undefined) return;
  room.isServed(response);
  const { user, password, newPassword } = asked;
  const run = () => agent.changePassword(user, password, newPassword);
  const tried = await (limit?.attempt(run, ({ changed }) => !changed) ?? run().then(result => ({ result })));
  if ('result' in tried) sendJson(response, tried.result);
  else sendProblem(response, 'too_many_attempts', { retryAfterMs: tried.waitMs });
}
