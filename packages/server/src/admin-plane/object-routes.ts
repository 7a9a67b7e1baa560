import {
  type ApplyAnswer,
  ApplyRequest,
  DEFAULT_PAGE_SIZE,
  type DirectoryBody,
  isObjectKind,
  MAX_PAGE_SIZE,
  OBJECT_KINDS,
  type ObjectKind,
  PutRequest,
  parseValue,
} from '@thinman/protocol';
import { directoryWarnings } from '../directory/check-directory.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { AdminDeps } from './admin-deps.ts';
import { apply } from './apply.ts';
import { withinDatabaseDeadline } from './commit.ts';
import { didYouMean } from './nearest.ts';
import { olderServers } from './older-servers.ts';
import { type Beside, present } from './present.ts';
import { remove } from './remove.ts';
import { type AdminRoute, badRequest, text, wholeNumber } from './route.ts';
import { lockoutsOf } from './show-user.ts';

/** Entries of one object's history in one answer. */
const MAX_HISTORY = 1000;
const DEFAULT_HISTORY = 100;

/** Directories of this `apply` that would be sent passwords in clear. */
function inClear(objects: readonly unknown[], changes: ApplyAnswer['changes']): readonly string[] {
  return (objects as readonly { kind: string; name: string; body: DirectoryBody }[]).flatMap(({ kind, name, body }) => {
    const isNew = changes.some(one => one.kind === kind && one.name === name && one.change !== 'unchanged');
    return kind === 'Directory' && isNew ? directoryWarnings(name, body) : [];
  });
}

/** A request with its objects unread: each is read by itself, so that a mistake is named by its object. */
export const objectsUnread = (body: unknown): unknown => {
  const objects = (body as { objects?: unknown } | null | undefined)?.objects;
  return Array.isArray(objects) ? { ...(body as object), objects: [] } : body;
};

/** Objects: read, written, deleted; and what they were. */
export function objectRoutes(deps: AdminDeps): readonly AdminRoute[] {
  return [
    {
      method: 'POST',
      url: '/apply',
      needs: 'owner',
      async handle({ actor, body }) {
        const parsed = parseValue(ApplyRequest, objectsUnread(body));
        if (!parsed.ok) return badRequest(parsed.problems);
        const { objects } = body as { objects: readonly unknown[] };
        if (objects.length > MAX_APPLY_OBJECTS) return badRequest([{ field: 'objects', message: 'are too many' }]);
        const outcome = await apply(deps, actor, objects, parsed.value.dryRun);
        if (!outcome.ok) return outcome;
        const { changes, warnings = [] } = outcome.value;
        const all = [...warnings, ...olderServers(deps.status(), changes), ...inClear(objects, changes)];
        return all.length === 0 ? outcome : done({ ...outcome.value, warnings: all });
      },
    },
    {
      method: 'GET',
      url: '/objects/:kind',
      needs: 'viewer',
      handle: ({ params, query }) => withKind(params.kind, kind => list(deps, kind, query)),
    },
    {
      method: 'GET',
      url: '/objects/:kind/:name',
      needs: 'viewer',
      handle: ({ params }) =>
        withKind(params.kind, kind => {
          const object = deps.replica.get(kind, params.name ?? '');
          return object === undefined ? noSuchObject(kind, params.name) : done(present(object, besideOf(deps)));
        }),
    },
    {
      method: 'PUT',
      url: '/objects/:kind/:name',
      needs: 'owner',
      handle: ({ actor, params, body }) =>
        withKind(params.kind, kind => {
          const parsed = parseValue(PutRequest, body);
          if (!parsed.ok) return badRequest(parsed.problems);
          const name = params.name ?? '';
          const { kind: saidKind = kind, name: saidName = name, ...rest } = parsed.value;
          if (saidKind !== kind || saidName !== name) {
            return badRequest([{ field: 'name', message: 'is another one than in the URL' }]);
          }
          return apply(deps, actor, [{ kind, name, ...rest }]);
        }),
    },
    {
      method: 'DELETE',
      url: '/objects/:kind/:name',
      needs: 'owner',
      handle: ({ actor, params, query }) =>
        withKind(params.kind, kind => {
          const generation = wholeNumber(query.generation, { least: 0, most: Number.MAX_SAFE_INTEGER, fallback: -1 });
          if (generation === undefined) return badRequest([{ field: 'generation', message: 'must be a whole number' }]);
          const name = params.name ?? '';
          return remove(deps, actor, { kind, name, ...(generation === -1 ? {} : { generation }) });
        }),
    },
    {
      method: 'GET',
      url: '/history/:kind/:name',
      needs: 'viewer',
      handle: ({ params, query }) => withKind(params.kind, kind => history(deps, kind, params.name ?? '', query)),
    },
  ];
}

const MAX_APPLY_OBJECTS = 200_000; // as in ApplyRequest

function withKind<T>(kind: string | undefined, answer: (kind: ObjectKind) => T): T | Outcome<never> {
  if (kind !== undefined && isObjectKind(kind)) return answer(kind);
  const kinds = Object.keys(OBJECT_KINDS);
  return refused('not_found', { detail: `"${kind}" is no kind of object${didYouMean(kind ?? '', kinds)}` });
}

function besideOf(deps: AdminDeps): Beside {
  return { standingOf: deps.rolloutStanding, lockoutsOf: user => lockoutsOf(deps, user) };
}

function noSuchObject(kind: ObjectKind, name: string | undefined): Outcome<never> {
  return refused('not_found', { detail: `There is no ${kind} "${name}".` });
}

function list(deps: AdminDeps, kind: ObjectKind, query: Readonly<Record<string, unknown>>): Outcome<unknown> {
  const limit = wholeNumber(query.limit, { least: 1, most: MAX_PAGE_SIZE, fallback: DEFAULT_PAGE_SIZE });
  if (limit === undefined) return badRequest([{ field: 'limit', message: `must be between 1 and ${MAX_PAGE_SIZE}` }]);
  const after = text(query.after);
  const found = deps.replica.list(kind, { limit: limit + 1, ...(after === undefined ? {} : { after }) });
  const page = found.slice(0, limit);
  const beside = besideOf(deps);
  return done({
    items: page.map(object => present(object, beside)),
    next: found.length > limit ? (page.at(-1)?.name ?? null) : null,
  });
}

async function history(
  deps: AdminDeps,
  kind: ObjectKind,
  name: string,
  query: Readonly<Record<string, unknown>>,
): Promise<Outcome<unknown>> {
  const limit = wholeNumber(query.limit, { least: 1, most: MAX_HISTORY, fallback: DEFAULT_HISTORY });
  if (limit === undefined) return badRequest([{ field: 'limit', message: `must be between 1 and ${MAX_HISTORY}` }]);
  const entries = await withinDatabaseDeadline(deps.clock, deps.record.history(kind, name, limit));
  if (entries === 'late') return refused('database_unavailable', { detail: 'The database does not answer.' });
  if (entries.length === 0) return noSuchObject(kind, name);
  return done({
    items: entries.map(({ version, atMs, actor, body }) => ({ ...version, at: atMs, actor, body })),
  });
}
