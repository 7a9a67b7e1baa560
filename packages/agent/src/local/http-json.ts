import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  describeProblems,
  type ErrorCode,
  MAX_LOCAL_BODY_BYTES,
  PROBLEM_CONTENT_TYPE,
  type ProblemExtras,
  parseJson,
  problem,
  readUtf8,
} from '@thinman/protocol';
import type { Static, TSchema } from 'typebox';

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

/** Plain text, for programs that read no JSON. */
export function sendText(response: ServerResponse, text: string, status = 200): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

export function sendProblem(response: ServerResponse, code: ErrorCode, extras?: ProblemExtras): void {
  const document = problem(code, extras);
  sendJson(response, document, document.status, PROBLEM_CONTENT_TYPE);
}

type ReadBody =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: 'unsupported_media' | 'too_large' | 'bad_request' };

/** A JSON body of at most MAX_LOCAL_BODY_BYTES. Rejects when the caller goes away. */
async function readJsonBody(request: IncomingMessage): Promise<ReadBody> {
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

/** The body as the schema has it; undefined: it was refused, and that is answered. Rejects when the caller goes away. */
export async function takeBody<S extends TSchema>(
  schema: S,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Static<S> | undefined> {
  const body = await readJsonBody(request);
  if (!body.ok) {
    response.setHeader('connection', 'close'); // the rest of the body is not read
    sendProblem(response, body.code);
    return undefined;
  }
  const parsed = parseJson(schema, body.text, MAX_LOCAL_BODY_BYTES);
  if (parsed.ok) return parsed.value;
  sendProblem(response, 'bad_request', { detail: describeProblems(parsed.problems) });
  return undefined;
}
