import type { IncomingMessage, ServerResponse } from 'node:http';
import { LocalUnlockRequest, type LoginResult } from '@thinman/protocol';
import type { ConnectionRoom } from './connection-room.ts';
import type { createFailureLimit } from './failure-limit.ts';
import { sendJson, sendProblem, takeBody } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';

const NOBODY = 'nobody is signed in on this device: log in';

/** `POST /v1/unlock`: a login of whoever is signed in. `answer`: what of its result is told; default: all. */
export async function unlockRoute(
  agent: Pick<LocalAgent, 'unlock'>,
  request: IncomingMessage,
  response: ServerResponse,
  room: ConnectionRoom,
  limit?: ReturnType<typeof createFailureLimit>,
  answer: (result: LoginResult) => unknown = result => result,
): Promise<void> {
  const body = await takeBody(LocalUnlockRequest, request, response);
  if (body === undefined) return;
  room.isServed(response);
  const run = () => agent.unlock(body.password);
  const tried = await (limit?.attempt(run, result => result?.verdict === 'denied') ??
    run().then(result => ({ result })));
  if (!('result' in tried)) sendProblem(response, 'too_many_attempts', { retryAfterMs: tried.waitMs });
  else if (tried.result === undefined) sendProblem(response, 'not_found', { detail: NOBODY });
  else sendJson(response, answer(tried.result));
}
