import { parseValue, UserActRequest } from '@thinman/protocol';
import type { AdminDeps } from './admin-deps.ts';
import { offlineUsers } from './offline-users.ts';
import { type AdminRoute, badRequest, text } from './route.ts';
import { showUser } from './show-user.ts';
import { endSessions, sessionsHere, unlockUser } from './user-acts.ts';

/** The helpdesk's: who works where, who is let in again, whose sessions end. */
export function userRoutes(deps: AdminDeps): readonly AdminRoute[] {
  const act = (url: string, run: typeof unlockUser): AdminRoute => ({
    method: 'POST',
    url,
    needs: 'owner',
    handle({ actor, body }) {
      const parsed = parseValue(UserActRequest, body);
      return parsed.ok ? run(deps, actor, parsed.value.user) : badRequest(parsed.problems);
    },
  });
  return [
    { method: 'GET', url: '/sessions', needs: 'viewer', handle: () => sessionsHere(deps) },
    { method: 'GET', url: '/offline-users', needs: 'viewer', handle: ({ query }) => offlineUsers(deps, query) },
    {
      method: 'GET',
      url: '/users/show',
      needs: 'viewer',
      handle({ query }) {
        const user = text(query.user);
        return user === undefined ? badRequest([{ field: 'user', message: 'is missing' }]) : showUser(deps, user);
      },
    },
    act('/users/unlock', unlockUser),
    act('/users/end-sessions', endSessions),
  ];
}
