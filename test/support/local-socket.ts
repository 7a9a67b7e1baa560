import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Static, TSchema } from 'typebox';
import { asPromised } from './contract.ts';

/** A local socket answers at once, or its process hangs. */
const ANSWER_LIMIT_MS = 5_000;

/**
 * `GET` on the local socket of a server or an agent: what its command prints with `--json`, without the cost of a process.
 * For waiting, where the same is asked often. undefined: nobody answers there.
 */
export function askSocket<S extends TSchema>(
  socketPath: string,
  path: string,
  schema: S,
): Promise<Static<S> | undefined> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    request({ socketPath, path, signal, agent: false }, response => {
      text(response)
        .then(body => (response.statusCode === 200 ? asPromised(schema, body) : undefined))
        .then(resolve, reject);
    })
      .on('error', () => resolve(undefined))
      .end();
  });
}
