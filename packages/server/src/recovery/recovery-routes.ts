import { AcceptDatabaseRequest, parseValue } from '@thinman/protocol';
import { localAccess } from '../admin-plane/access.ts';
import { addRoutes, badRequest } from '../admin-plane/route.ts';
import type { HttpApp } from '../http/codec.ts';
import type { AcceptDatabase } from './accept-database.ts';

/** On the local admin socket alone: whoever decides what counts has the server's data folder at hand. */
export function recoveryRoutes(acceptDatabase: AcceptDatabase): (app: HttpApp) => Promise<void> {
  return async app =>
    addRoutes(app, localAccess, [
      { method: 'GET', url: '/fork', needs: 'owner', handle: () => acceptDatabase.look() },
      {
        method: 'POST',
        url: '/fork/accept',
        needs: 'owner',
        handle({ actor, body }) {
          const parsed = parseValue(AcceptDatabaseRequest, body);
          return parsed.ok ? acceptDatabase.accept(actor, parsed.value.database) : badRequest(parsed.problems);
        },
      },
    ]);
}
