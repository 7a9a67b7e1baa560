import { MAX_BODY_BYTES, PROTOCOL_HEADER, PROTOCOL_VERSION } from '@thinman/protocol';
import { type Dispatcher, errors } from 'undici';
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
    }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly detail: string };

/** One request and its whole answer, of at most MAX_BODY_BYTES. Redirects are not followed. Never throws. */
export async function exchange(dispatcher: Dispatcher, call: HttpCall): Promise<HttpOutcome> {
  let answered = false;
  try {
    const { statusCode, headers, body } = await dispatcher.request({
      method: call.method,
      path: call.path,
      headers: {
        accept: 'application/json',
        [PROTOCOL_HEADER]: String(PROTOCOL_VERSION),
        ...(call.body !== undefined && { 'content-type': 'application/json' }),
        ...call.headers,
      },
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
      signal: call.signal,
    });
    answered = true;
    const chunks: Uint8Array[] = [];
    let size = 0;
    // Leaving the loop early destroys the body and its connection with it.
    for await (const chunk of body) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) return failed('not_our_schema', `the answer is larger than ${MAX_BODY_BYTES} bytes`);
      chunks.push(chunk);
    }
    const header = (name: string) => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    return { kind: 'response', status: statusCode, header, text: Buffer.concat(chunks).toString() };
  } catch (error) {
    return failureOf(error, call.signal, answered);
  }
}

function failureOf(error: unknown, signal: AbortSignal, answered: boolean): HttpOutcome {
  if (signal.aborted) {
    const late = signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
    return late ? failed('timeout', 'no answer within the deadline') : failed('aborted', 'given up');
  }
  if (error instanceof ConnectFailure) return failed(error.reason, error.message);
  const code = errorCode(error) ?? 'unknown';
  if (UNDICI_TIMEOUTS.includes(code)) return failed('timeout', code);
  if (CLOSED_HERE.includes(code)) return failed('aborted', code);
  // The head had come: what broke off is the body.
  if (answered) return failed('truncated', code);
  if (error instanceof errors.HTTPParserError || code === 'UND_ERR_HEADERS_OVERFLOW')
    return failed('not_our_schema', code);
  return failed(networkReason(error) ?? 'reset', code);
}

const UNDICI_TIMEOUTS: readonly string[] = [
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
];
const CLOSED_HERE: readonly string[] = ['UND_ERR_ABORTED', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED'];

function failed(reason: FailureReason, detail: string): HttpOutcome {
  return { kind: 'failed', reason, detail };
}
