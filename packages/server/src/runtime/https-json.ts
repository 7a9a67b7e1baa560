import { request } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { MAX_BODY_BYTES, Problem, parseJson } from '@thinman/protocol';
import type { Static, TSchema } from 'typebox';

export type HttpsJsonOptions<S extends TSchema> = {
  readonly url: string;
  readonly schema: S;
  /** Sent as JSON by POST; GET without it. */
  readonly body?: unknown;
  /** CAs (PEM) to trust. `trust-nobody`: the answer is believed by other means, and nothing secret is sent. */
  readonly trust:
    | readonly string[]
    | 'trust-nobody'
    | Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'minVersion' | 'checkServerIdentity'>;
  readonly deadlineMs: number;
  /** Ends it before the deadline. */
  readonly signal?: AbortSignal;
};

export type HttpsJsonAnswer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'problem'; readonly problem: Problem }
  /** No answer, or none of ours. `why` is for people. */
  | { readonly kind: 'failed'; readonly why: string };

/** One question to another server, over a connection of its own. Never rejects. */
export function httpsJson<S extends TSchema>(options: HttpsJsonOptions<S>): Promise<HttpsJsonAnswer<Static<S>>> {
  const { url, schema, body, trust, deadlineMs, signal } = options;
  const text = body === undefined ? undefined : JSON.stringify(body);
  // `trust-nobody` is for the CA itself, which the token's pin judges.
  const tls = trust === 'trust-nobody' ? { rejectUnauthorized: false } : isList(trust) ? { ca: [...trust] } : trust;
  const deadline = AbortSignal.timeout(deadlineMs);
  return new Promise(resolve => {
    const fail = (why: string) => resolve({ kind: 'failed', why });
    const outgoing = request(
      url,
      {
        ...tls,
        agent: false,
        method: text === undefined ? 'GET' : 'POST',
        headers: text === undefined ? {} : { 'content-type': 'application/json' },
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      },
      answer => {
        let received = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          received += chunk;
          if (received.length > MAX_BODY_BYTES) answer.destroy();
        });
        answer.on('error', error => fail(error.message));
        answer.on('close', () => fail('the answer was cut off'));
        answer.on('end', () => resolve(read(schema, received, answer.statusCode ?? 0)));
      },
    );
    outgoing.on('error', error => fail(error.name === 'AbortError' ? 'no answer in time' : error.message));
    outgoing.end(text);
  });
}

function isList(trust: object): trust is readonly string[] {
  return Array.isArray(trust);
}

function read<S extends TSchema>(schema: S, text: string, status: number): HttpsJsonAnswer<Static<S>> {
  if (status === 200) {
    const value = parseJson(schema, text, MAX_BODY_BYTES);
    if (value.ok) return { kind: 'ok', value: value.value };
  } else {
    const problem = parseJson(Problem, text, MAX_BODY_BYTES);
    if (problem.ok) return { kind: 'problem', problem: problem.value };
  }
  return { kind: 'failed', why: `what answers there (status ${status}) is no ThinMan server` };
}
