import type { ObjectKind } from '@thinman/protocol';
import type { ChangedPage, ChangedSince, StoredObject } from '../ports.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import type { RecordDb } from './schema.ts';
import { requireSite } from './site.ts';
import { fromRow } from './stored-object.ts';

/**
 * One page of the objects that commits after `generation` have touched, each beside what it was then. Goes by the objects that
 * are there now, tombstones included: complete down to the site's `compactedGeneration`. A snapshot a page, so that other
 * readers get their turn: whoever wants all pages of one state compares their versions.
 */
export function readChangedSince(
  dialect: RecordDialect,
  generation: number,
  { kinds, after, limit }: ChangedPage,
): Promise<ChangedSince> {
  const kind = after?.kind ?? kinds[0];
  return dialect.snapshot(async (db): Promise<ChangedSince> => {
    const { version, compactedGeneration } = await requireSite(db);
    const made = await db
      .selectFrom('commits')
      .select('epoch')
      .where('generation', '=', generation)
      .orderBy('epoch', 'desc')
      .limit(1)
      .executeTakeFirst();
    const about = { site: { version, compactedGeneration }, epoch: made?.epoch };
    if (kind === undefined) return { ...about, items: [], next: undefined };
    // One kind a page: the rows come in the order of the primary key, and no page sorts what is left.
    const rows = await db
      .selectFrom('objects')
      .selectAll()
      .where('kind', '=', kind)
      .where('name', '>', after?.name ?? '')
      .where('generation', '>', generation)
      .orderBy('name')
      .limit(limit)
      .execute();
    const objects = rows.map(fromRow);
    const [last, following] = [objects.at(-1), kinds[kinds.indexOf(kind) + 1]];
    const isWhole = objects.length < limit || last === undefined;
    return {
      ...about,
      items: await besideBefore(db, generation, kind, objects),
      next: isWhole ? following && { kind: following, name: '' } : { kind, name: last.name },
    };
  });
}

async function besideBefore(
  db: RecordDb,
  generation: number,
  kind: ObjectKind,
  objects: readonly StoredObject[],
): Promise<ChangedSince['items']> {
  if (objects.length === 0) return [];
  const names = objects.map(({ name }) => name);
  const states = await statesAt(db, generation, kind, names);
  return objects.map(now => ({ now, before: states.get(now.name) }));
}

/** What these objects were: their newest entry at or below `generation`, where that is not a deletion. */
async function statesAt(db: RecordDb, generation: number, kind: ObjectKind, names: readonly string[]) {
  const rows = await db
    .selectFrom('history')
    .innerJoin(
      inner =>
        inner
          .selectFrom('history')
          .select(({ fn }) => ['name', fn.max('generation').as('generation')])
          .where('kind', '=', kind)
          .where('name', 'in', [...names])
          .where('generation', '<=', generation)
          .groupBy('name')
          .as('newest'),
      join => join.onRef('newest.name', '=', 'history.name').onRef('newest.generation', '=', 'history.generation'),
    )
    .select(['history.name', 'history.body', 'history.system'])
    .where('history.kind', '=', kind)
    // Said again for the sake of the index: else all of the kind's history is read for each page.
    .where('history.name', 'in', [...names])
    .orderBy('history.epoch')
    .execute();
  return new Map(
    rows.map(({ name, body, system }) => {
      const state = body === null ? undefined : { body: parse(body), system: parse(system) };
      return [name, state] as const;
    }),
  );
}

const parse = (text: string) => JSON.parse(text) as Record<string, unknown>;
