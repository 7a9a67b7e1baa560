import { type FieldProblem, MAX_ADMIN_BODY_BYTES } from '@thinman/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpApp } from '../http/codec.ts';
import { type Outcome, refused, refusingTrouble } from '../http/outcome.ts';
import { sendProblemDocument } from '../http/problems.ts';
import { type Access, admit, type Needs } from './access.ts';
import type { Actor } from './admin-deps.ts';

export type Call = {
  readonly actor: Actor;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  readonly request: FastifyRequest;
};

export type AdminRoute = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the prefix, as fastify writes it. */
  readonly url: string;
  readonly needs: Needs;
  handle(call: Call): Outcome<unknown> | Promise<Outcome<unknown>>;
};

/** Puts the routes on `app`: who calls is asked first, what is expected to go wrong is answered, answers are not kept. */
export function addRoutes(app: HttpApp, access: Access, routes: readonly AdminRoute[]): void {
  const callers = new WeakMap<FastifyRequest, Actor>();
  for (const { method, url, needs, handle } of routes) {
    app.route({
      method,
      url,
      bodyLimit: MAX_ADMIN_BODY_BYTES,
      // Before the body is read: a stranger's 32 MiB are not taken in.
      onRequest: async (request, reply) => {
        const admitted = admit(access, request, needs);
        if (!admitted.ok) return send(reply, admitted);
        callers.set(request, admitted.value);
      },
      handler: async (request, reply) => {
        const actor = callers.get(request);
        if (actor === undefined) throw new Error('an administrative request was handled for nobody');
        const call: Call = {
          actor,
          params: request.params as Record<string, string>,
          query: request.query as Record<string, unknown>,
          body: request.body,
          request,
        };
        return send(reply, await refusingTrouble(async () => handle(call)));
      },
    });
  }
}

export function send(reply: FastifyReply, outcome: Outcome<unknown>): FastifyReply {
  reply.header('cache-control', 'no-store');
  return outcome.ok ? reply.code(200).send(outcome.value) : sendProblemDocument(reply, outcome.problem);
}

export function badRequest(problems: readonly FieldProblem[]) {
  return refused('bad_request', { problems: [...problems] });
}

/** A whole number of the query, or `fallback`; undefined when it is none, or not between the bounds. */
export function wholeNumber(
  value: unknown,
  { least, most, fallback }: { readonly least: number; readonly most: number; readonly fallback: number },
): number | undefined {
  if (value === undefined) return fallback;
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  return number >= least && number <= most ? number : undefined;
}

/** A text of the query given at most once. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
