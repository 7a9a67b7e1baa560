import { acceptsProtocol, PROTOCOL_HEADER, type Problem, problem, servedVersions } from '@thinman/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendProblemDocument } from './problems.ts';

/** What is wrong with the protocol version of a device's request, or undefined. */
export function protocolProblem(headers: FastifyRequest['headers']): Problem | undefined {
  const header = headers[PROTOCOL_HEADER];
  if (typeof header === 'string' && acceptsProtocol(header)) return undefined;
  return problem('protocol_unsupported', { supported: [...servedVersions()] });
}

/** An `onRequest` hook for all calls of devices. */
export async function requireProtocol(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const refusal = protocolProblem(request.headers);
  return refusal === undefined ? undefined : sendProblemDocument(reply, refusal);
}
