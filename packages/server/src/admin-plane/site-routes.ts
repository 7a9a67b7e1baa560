import {
  DEFAULT_PAGE_SIZE,
  DeviceTokenRequest,
  DirectoryTestRequest,
  EmergencyCodeRequest,
  IfAppliedRequest,
  MAX_PAGE_SIZE,
  type Parsed,
  parseValue,
  ReenrollTokenRequest,
  RollbackRequest,
  ServerTokenRequest,
  type TokenRequest,
  type UserSystem,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { EventQuery } from '../ports.ts';
import type { AdminDeps } from './admin-deps.ts';
import { withinDatabaseDeadline } from './commit.ts';
import { effective } from './effective.ts';
import { emergencyCodeOf } from './emergency-code.ts';
import { ifApplied } from './if-applied.ts';
import { objectsUnread } from './object-routes.ts';
import { rollbackSite } from './rollback.ts';
import { type AdminRoute, badRequest, text, wholeNumber } from './route.ts';
import { testDirectory } from './test-directory.ts';
import { makeToken } from './tokens.ts';

/** What is not about one object: tokens, effective policy, events, this server's state. */
export function siteRoutes(deps: AdminDeps): readonly AdminRoute[] {
  return [
    {
      method: 'POST',
      url: '/tokens',
      needs: 'owner',
      handle({ actor, body }) {
        const parsed = parseTokenRequest(body);
        return parsed.ok ? makeToken(deps, actor, parsed.value) : badRequest(parsed.problems);
      },
    },
    {
      method: 'POST',
      url: '/rollback',
      needs: 'owner',
      handle({ actor, body }) {
        const parsed = parseValue(RollbackRequest, body);
        return parsed.ok ? rollbackSite(deps, actor, parsed.value) : badRequest(parsed.problems);
      },
    },
    {
      method: 'GET',
      url: '/effective',
      needs: 'viewer',
      handle({ query }) {
        const device = text(query.device);
        if (device === undefined) return badRequest([{ field: 'device', message: 'is missing' }]);
        return effective(deps, device, text(query.user));
      },
    },
    {
      method: 'POST',
      url: '/effective',
      needs: 'viewer',
      handle({ body }) {
        const parsed = parseValue(IfAppliedRequest, objectsUnread(body));
        if (!parsed.ok) return badRequest(parsed.problems);
        const { objects } = body as { objects: readonly unknown[] };
        return ifApplied(deps, { ...parsed.value, objects });
      },
    },
    { method: 'GET', url: '/events', needs: 'viewer', handle: ({ query }) => events(deps, query) },
    {
      method: 'POST',
      url: '/emergency-code',
      needs: 'owner',
      handle({ actor, body }) {
        const parsed = parseValue(EmergencyCodeRequest, body);
        return parsed.ok ? emergencyCodeOf(deps, actor, parsed.value) : badRequest(parsed.problems);
      },
    },
    {
      method: 'POST',
      url: '/directories/test',
      needs: 'owner',
      handle({ body }) {
        const parsed = parseValue(DirectoryTestRequest, body);
        return parsed.ok ? testDirectory(deps, parsed.value) : badRequest(parsed.problems);
      },
    },
    { method: 'GET', url: '/status', needs: 'viewer', handle: () => done(deps.status()) },
    {
      method: 'POST',
      url: '/drain',
      needs: 'owner',
      handle() {
        deps.drain();
        return done(deps.status());
      },
    },
  ];
}

/** Against the union of all, mistakes would be told of one that was not meant. */
function parseTokenRequest(body: unknown): Parsed<TokenRequest> {
  switch ((body as { for?: unknown } | null | undefined)?.for) {
    case 'server':
      return parseValue(ServerTokenRequest, body);
    case 'reenroll':
      return parseValue(ReenrollTokenRequest, body);
    default:
      return parseValue(DeviceTokenRequest, body);
  }
}

async function events(deps: AdminDeps, query: Readonly<Record<string, unknown>>): Promise<Outcome<unknown>> {
  const limit = wholeNumber(query.limit, { least: 1, most: MAX_PAGE_SIZE, fallback: DEFAULT_PAGE_SIZE });
  if (limit === undefined) return badRequest([{ field: 'limit', message: `must be between 1 and ${MAX_PAGE_SIZE}` }]);
  const user = text(query.user);
  const asked: EventQuery = {
    limit: limit + 1,
    ...only(query, 'before'),
    ...only(query, 'type'),
    ...(user !== undefined && { users: spellingsOf(deps, user) }),
  };
  if (asked.before !== undefined && !/^\d{1,15}$/.test(asked.before)) {
    return badRequest([{ field: 'before', message: 'must be the "next" of the page before' }]);
  }
  const found = await withinDatabaseDeadline(deps.clock, deps.record.events(asked));
  if (found === 'late') return refused('database_unavailable', { detail: 'The database does not answer.' });
  const items = found.slice(0, limit);
  return done({ items, next: found.length > limit ? String(items.at(-1)?.sequence) : null });
}

/** Devices write a directory's user as the name was typed; servers as the directory calls them. A local user has one name. */
function spellingsOf({ directories, replica }: AdminDeps, user: string): readonly string[] {
  const { credential } = (replica.get('User', user)?.system ?? {}) as UserSystem;
  const others = credential === undefined ? directories?.spellingsOf(user) : undefined;
  return [...new Set([user, ...(others ?? [])])];
}

function only<K extends string>(query: Readonly<Record<string, unknown>>, key: K): { readonly [P in K]?: string } {
  const value = text(query[key]);
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: string };
}
