import type { FastifyRequest } from 'fastify';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { type Actor, LOCAL_OWNER } from './admin-deps.ts';
import type { AdminSessions } from './admin-sessions.ts';

/** What a route asks of who calls it. `viewer`: every administrator. */
export type Needs = 'viewer' | 'owner';

/** Tells who calls. */
export type Access = (request: FastifyRequest) => Actor | undefined;

/** On the admin socket: whoever could open it is an owner. */
export const localAccess: Access = () => LOCAL_OWNER;

/** On the network: an opaque session of this very server. */
export function sessionAccess(sessions: Pick<AdminSessions, 'find'>): Access {
  return request => {
    const token = bearerToken(request);
    return token === undefined ? undefined : sessions.find(token);
  };
}

export function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer ([A-Za-z0-9_-]{1,128})$/.exec(request.headers.authorization ?? '')?.[1];
}

/** The caller, if the route is open to such a one. */
export function admit(access: Access, request: FastifyRequest, needs: Needs): Outcome<Actor> {
  const actor = access(request);
  if (actor === undefined) {
    return refused('unauthorized', { detail: 'There is no session, or it has ended: thinman login --server URL' });
  }
  if (needs === 'owner' && actor.role !== 'owner') {
    return refused('forbidden', { detail: `${actor.name} is a viewer, and this needs an owner.` });
  }
  return done(actor);
}
