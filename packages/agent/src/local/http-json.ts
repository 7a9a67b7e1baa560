import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type ErrorCode,
  MAX_LOCAL_BODY_BYTES,
  PROBLEM_CONTENT_TYPE,
  type ProblemExtras,
  problem,
  readUtf8,
} from '@thinman/protocol';

const JSON_CONTENT_TYPE = 'application/json';

export function sendJson(
  response: ServerResponse,
  value: unknown,
  status = 200,
  contentType = JSON_CONTENT_TYPE,
): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

export function sendProblem(response: ServerResponse, code: ErrorCode, extras?: ProblemExtras): void {
  const document = problem(code, extras);
  sendJson(response, document, document.status, PROBLEM_CONTENT_TYPE);
}

export type ReadBody =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: 'unsupported_media' | 'too_large' | 'bad_request' };

/** A JSON body of at most MAX_LOCAL_BODY_BYTES. Rejects when the caller goes away. */
export async function readJsonBody(request: IncomingMessage): Promise<ReadBody> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== JSON_CONTENT_TYPE) return { ok: false, code: 'unsupported_media' };
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_LOCAL_BODY_BYTES) return { ok: false, code: 'too_large' };
    chunks.push(chunk);
  }
  const whole = Buffer.concat(chunks);
  const text = readUtf8(whole);
  // The body holds a password.
  for (const buffer of [...chunks, whole]) buffer.fill(0);
  return text === undefined ? { ok: false, code: 'bad_request' } : { ok: true, text };
}
