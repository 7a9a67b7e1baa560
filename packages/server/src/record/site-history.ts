import type { ObjectKind } from '@thinman/protocol';
import type { ChangedPage, ChangedSince, StoredObject } from '../ports.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import type { RecordDb } from './schema.ts';
import { requireSite } from './site.ts';
import { fromRow } from './stored-object.ts';

/**
 * One page of the objects that commits after `generation` have touched, by kind and name, each beside what it was then. Goes
 * by the objects that are there now, tombstones included: complete down to the site's `compactedGeneration`. A snapshot a
 * page, so that other readers get their turn: whoever wants all pages of one state compares their versions.
 */
export function readChangedSince(
  dialect: RecordDialect,
  generation: number,
  { kinds, after, limit }: ChangedPage,
): Promise<ChangedSince> {
  return dialect.snapshot(async (db): Promise<ChangedSince> => {
    const { version, compactedGeneration } = await requireSite(db);
    const made = await db
      .selectFrom('commits')
      .select('epoch')
      .where('generation', '=', generation)
      .orderBy('epoch', 'desc')
      .limit(1)
      .executeTakeFirst();
    const rows = await db
      .selectFrom('objects')
      .selectAll()
      .where('generation', '>', generation)
      .where('kind', 'in', [...kinds])
      .$if(after !== undefined, objects =>
        objects.where(({ and, eb, or }) =>
          or([
            eb('kind', '>', after?.kind ?? ''),
            and([eb('kind', '=', after?.kind ?? ''), eb('name', '>', after?.name ?? '')]),
          ]),
        ),
      )
      .orderBy('kind')
      .orderBy('name')
      .limit(limit)
      .execute();
    const objects = rows.map(fromRow);
    const last = objects.length === limit ? objects.at(-1) : undefined;
    return {
      site: { version, compactedGeneration },
      epoch: made?.epoch,
      items: await besideBefore(db, generation, objects),
      next: last && { kind: last.kind, name: last.name },
    };
  });
}

async function besideBefore(
  db: RecordDb,
  generation: number,
  objects: readonly StoredObject[],
): Promise<ChangedSince['items']> {
  const items: ChangedSince['items'][number][] = [];
  for (const [kind, ofKind] of Map.groupBy(objects, object => object.kind)) {
    const names = ofKind.map(({ name }) => name);
    const states = await statesAt(db, generation, kind, names);
    for (const now of ofKind) items.push({ now, before: states.get(now.name) });
  }
  return items;
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
