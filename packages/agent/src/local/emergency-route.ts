import type { IncomingMessage, ServerResponse } from 'node:http';
import { LocalEmergencyRequest } from '@thinman/protocol';
import type { ConnectionRoom } from './connection-room.ts';
import type { createFailureLimit } from './failure-limit.ts';
import { sendJson, sendProblem, takeBody } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';

/** `POST /v1/emergency`: a challenge for the helpdesk, or the code that it gave. Wrong codes count like wrong passwords. */
export async function emergencyRoute(
  agent: Pick<LocalAgent, 'emergency'>,
  request: IncomingMessage,
  response: ServerResponse,
  room: ConnectionRoom,
  limit?: ReturnType<typeof createFailureLimit>,
): Promise<void> {
  const asked = await takeBody(LocalEmergencyRequest, request, response);
  if (asked === undefined) return;
  room.isServed(response);
  const { user, code } = asked;
  const run = async () => agent.emergency(user, code);
  const tried = await (limit?.attempt(run, ({ kind }) => kind === 'refused') ?? run().then(result => ({ result })));
  if (!('result' in tried)) sendProblem(response, 'too_many_attempts', { retryAfterMs: tried.waitMs });
  else if (tried.result.kind === 'answer') sendJson(response, tried.result.answer);
  else {
    const { code: why, detail } = tried.result;
    sendProblem(response, why, detail === undefined ? {} : { detail });
  }
}
