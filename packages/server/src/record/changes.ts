import type { ObjectKind } from '@thinman/protocol';
import type { CommitEntry, GenerationChange } from '../ports.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import type { RecordDb } from './schema.ts';

/** The newest commits, newest first; `before`: below this generation. */
export function readCommits(
  dialect: RecordDialect,
  { epoch, before, limit }: { readonly epoch: number; readonly before?: number; readonly limit: number },
): Promise<readonly CommitEntry[]> {
  return dialect.snapshot(async db => {
    const rows = await db
      .selectFrom('commits')
      .select(['epoch', 'generation', 'at', 'actor', 'summary'])
      .where('epoch', '=', epoch)
      .$if(before !== undefined, commits => commits.where('generation', '<', before ?? 0))
      .orderBy('generation', 'desc')
      .limit(limit)
      .execute();
    return rows.map(({ epoch, generation, at, actor, summary }) => ({
      version: { epoch, generation },
      atMs: at,
      actor,
      summary: JSON.parse(summary) as CommitEntry['summary'],
    }));
  });
}

/**
 * What the commits after `from`, up to `to`, have touched (of one epoch): each object once, as it was at `from` and as it is at
 * `to`. By the history, so that it is complete however old; `more`: there are further ones.
 */
export function readChangesBetween(
  dialect: RecordDialect,
  {
    epoch,
    from,
    to,
    limit,
  }: { readonly epoch: number; readonly from: number; readonly to: number; readonly limit: number },
): Promise<{ readonly items: readonly GenerationChange[]; readonly more: boolean }> {
  return dialect.snapshot(async db => {
    const touched = await db
      .selectFrom('history')
      .select(['kind', 'name'])
      .distinct()
      .where('epoch', '=', epoch)
      .where('generation', '>', from)
      .where('generation', '<=', to)
      .orderBy('kind')
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const items: GenerationChange[] = [];
    for (const { kind, name } of touched.slice(0, limit)) {
      const [before, after] = [
        await bodyAt(db, { kind, name }, epoch, from),
        await bodyAt(db, { kind, name }, epoch, to),
      ];
      items.push({ kind: kind as ObjectKind, name, before, after });
    }
    return { items, more: touched.length > limit };
  });
}

/** null: it was not there then. */
async function bodyAt(
  db: RecordDb,
  { kind, name }: { readonly kind: string; readonly name: string },
  epoch: number,
  generation: number,
): Promise<Record<string, unknown> | null> {
  const row = await db
    .selectFrom('history')
    .select('body')
    .where('kind', '=', kind)
    .where('name', '=', name)
    .where('epoch', '<=', epoch)
    .where('generation', '<=', generation)
    .orderBy('epoch', 'desc')
    .orderBy('generation', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row === undefined || row.body === null ? null : (JSON.parse(row.body) as Record<string, unknown>);
}
