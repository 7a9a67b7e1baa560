import { AcceptDatabaseRequest, PromotionLookRequest, PromotionRequest, parseValue } from '@thinman/protocol';
import { localAccess } from '../admin-plane/access.ts';
import { addRoutes, badRequest } from '../admin-plane/route.ts';
import type { HttpApp } from '../http/codec.ts';
import type { AcceptDatabase } from './accept-database.ts';
import type { Promotion } from './promote.ts';

export type Recovery = { readonly acceptDatabase: AcceptDatabase; readonly promotion: Promotion };

/** On the local admin socket alone: whoever decides what counts has the server's data folder at hand. */
export function recoveryRoutes({ acceptDatabase, promotion }: Recovery): (app: HttpApp) => Promise<void> {
  return async app =>
    addRoutes(app, localAccess, [
      { method: 'GET', url: '/fork', needs: 'owner', handle: () => acceptDatabase.look() },
      {
        method: 'POST',
        url: '/fork/accept',
        needs: 'owner',
        handle({ actor, body }) {
          const parsed = parseValue(AcceptDatabaseRequest, body);
          return parsed.ok ? acceptDatabase.accept(actor, parsed.value) : badRequest(parsed.problems);
        },
      },
      {
        method: 'POST',
        url: '/promotion/look',
        needs: 'owner',
        handle({ body }) {
          const parsed = parseValue(PromotionLookRequest, body);
          return parsed.ok ? promotion.look(parsed.value.database) : badRequest(parsed.problems);
        },
      },
      {
        method: 'POST',
        url: '/promotion',
        needs: 'owner',
        handle({ actor, body }) {
          const parsed = parseValue(PromotionRequest, body);
          return parsed.ok ? promotion.promote(actor, parsed.value) : badRequest(parsed.problems);
        },
      },
    ]);
}
