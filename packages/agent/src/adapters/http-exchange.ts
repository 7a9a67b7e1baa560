import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type Agent, request } from 'node:https';
import { MAX_BODY_BYTES, PROTOCOL_HEADER, PROTOCOL_VERSION } from '@thinman/protocol';
import { errorCode } from '../error-code.ts';
import type { FailureReason } from '../ports.ts';
import { ConnectFailure, networkReason } from './tls.ts';

export type HttpCall = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal: AbortSignal;
};

export type HttpOutcome =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly header: (name: string) => string | undefined;
      readonly text: string;
      /** What `text` was made of. */
      readonly bytes?: Uint8Array;
    }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly detail: string };

/** One request over the agent's connections, and its whole answer, of at most MAX_BODY_BYTES. No redirects. Never throws. */
export async function exchange(agent: Agent, url: URL, call: HttpCall): Promise<HttpOutcome> {
  let answered = false;
  try {
    const response = await answerTo(agent, url, call);
    answered = true;
    const chunks: Uint8Array[] = [];
    let size = 0;
    // Leaving the loop early destroys the body and its connection with it.
    for await (const chunk of response) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) return failed('not_our_schema', `the answer is larger than ${MAX_BODY_BYTES} bytes`);
      chunks.push(chunk);
    }
    const header = (name: string) => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    const bytes = Buffer.concat(chunks);
    return { kind: 'response', status: response.statusCode ?? 0, header, bytes, text: bytes.toString() };
  } catch (error) {
    return failureOf(error, call.signal, answered);
  }
}

async function answerTo(agent: Agent, url: URL, call: HttpCall): Promise<IncomingMessage> {
  const { method, path, signal, body } = call;
  const headers = {
    accept: 'application/json',
    [PROTOCOL_HEADER]: String(PROTOCOL_VERSION),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...call.headers,
  };
  const sent = request(url, { agent, method, path, headers, signal });
  // A request that still waits for its connection says nothing when it is aborted.
  const answer = once(sent, 'response', { signal });
  // Also after the head has come: the body's reader is told then.
  sent.on('error', () => {});
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = await answer;
  return response;
}

function failureOf(error: unknown, signal: AbortSignal, answered: boolean): HttpOutcome {
  if (signal.aborted) {
    const late = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
    return late ? failed('timeout', 'no answer within the deadline') : failed('aborted', 'given up');
  }
  if (error instanceof ConnectFailure) return failed(error.reason, error.message);
  const code = errorCode(error) ?? 'unknown';
  // The head had come: what broke off is the body.
  if (answered) return failed('truncated', code);
  if (code.startsWith(OF_THE_PARSER)) return failed('not_our_schema', code);
  return failed(networkReason(error) ?? 'reset', code);
}

/** What is not HTTP, or more of a head than anybody needs. */
const OF_THE_PARSER = 'HPE_';

function failed(reason: FailureReason, detail: string): HttpOutcome {
  return { kind: 'failed', reason, detail };
}
