import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Static, TSchema } from 'typebox';
import type { ConnectionRoom } from './connection-room.ts';
import type { createFailureLimit } from './failure-limit.ts';
import { sendProblem, takeBody } from './http-json.ts';

/** One call of a local socket, with what holds there. `limit`: on one that anybody may open. */
export type Called = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly room: ConnectionRoom;
  readonly limit?: ReturnType<typeof createFailureLimit> | undefined;
};

/** A call that tries a password or a code: what fails counts, and above the limit nothing is tried. Rejects when the caller goes away. */
export async function tryRoute<S extends TSchema, T>(
  schema: S,
  { request, response, room, limit }: Called,
  attempt: {
    run(asked: Static<S>): Promise<T>;
    failed(result: T): boolean;
    tell(result: T): void;
  },
): Promise<void> {
  const asked = await takeBody(schema, request, response);
  if (asked === undefined) return;
  room.isServed(response);
  const run = () => attempt.run(asked);
  const tried = limit === undefined ? { result: await run() } : await limit.attempt(run, attempt.failed);
  if ('result' in tried) attempt.tell(tried.result);
  else sendProblem(response, 'too_many_attempts', { retryAfterMs: tried.waitMs });
}
