import {
  ERRORS,
  type ErrorCode,
  PROBLEM_CONTENT_TYPE,
  type Problem,
  type ProblemExtras,
  problem,
} from '@thinman/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

const MS_PER_SECOND = 1000;

/** Answers with a problem document: the only form of an error on this server. */
export function sendProblem(reply: FastifyReply, code: ErrorCode, extras: ProblemExtras = {}): FastifyReply {
  return sendProblemDocument(reply, problem(code, extras));
}

/** The same for a document that is there already, with members of its own (`salt_changed` has `now`). */
export function sendProblemDocument(reply: FastifyReply, document: Problem & Record<string, unknown>): FastifyReply {
  if (document.retryAfterMs !== undefined) {
    reply.header('retry-after', String(Math.ceil(document.retryAfterMs / MS_PER_SECOND)));
  }
  // As bytes: to a string fastify adds a charset, which this media type does not have (RFC 8259, 11).
  const body = Buffer.from(JSON.stringify(document, wellFormed));
  return reply.code(document.status).header('content-type', PROBLEM_CONTENT_TYPE).send(body);
}

/** What was refused may be told with the half of a character for which it was. */
const wellFormed = (_key: string, value: unknown) => (typeof value === 'string' ? value.toWellFormed() : value);

/** Thrown out of parsing and validation alone, where fastify knows no other way; handlers return problems. */
export class RefusedInput extends Error {
  readonly problem: Problem;
  constructor(code: ErrorCode, extras: ProblemExtras = {}) {
    super(code);
    this.problem = problem(code, extras);
  }
}

/** fastify's own refusals, by their code. */
const FASTIFY_REFUSALS: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media',
  FST_ERR_MAX_PARAM_LENGTH: 'bad_request',
  FST_ERR_BAD_URL: 'bad_request',
};

const BAD_REQUEST = ERRORS.bad_request.status;
const INTERNAL = ERRORS.internal.status;

/** Whatever was thrown, as a problem. What went wrong inside is for the log, never for the client. */
export function problemOf(error: unknown): Problem {
  if (error instanceof RefusedInput) return error.problem;
  const { code, statusCode } = error as { readonly code?: unknown; readonly statusCode?: unknown };
  const refusal = typeof code === 'string' ? FASTIFY_REFUSALS[code] : undefined;
  if (refusal !== undefined) return problem(refusal);
  // Everything else that fastify says of a request (bad JSON, a length that is not right) is 4xx.
  const ofRequest = typeof statusCode === 'number' && statusCode >= BAD_REQUEST && statusCode < INTERNAL;
  return problem(ofRequest ? 'bad_request' : 'internal');
}

export function createErrorHandler(log: Logger) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const document = problemOf(error);
    if (document.status >= INTERNAL) {
      log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    }
    return sendProblemDocument(reply, document);
  };
}
