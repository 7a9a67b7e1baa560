import { setImmediate as nextTurn } from 'node:timers/promises';
import { type DeviceSystem, OBJECT_KINDS } from '@thinman/protocol';
import type { CompactionOutcome, SourceOfRecord } from '../ports.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import { isForked } from './lineage.ts';
import type { RecordDb } from './schema.ts';
import { requireSite, SITE_ROW } from './site.ts';

const DAY_MS = 24 * 60 * 60_000;
/** Tombstones are kept so long (`design.md`, In the database): longer than any offline login lives (ADR 0009). */
export const TOMBSTONE_AGE_MS = 90 * DAY_MS;

/** Rows looked at, and rows removed, in one transaction: some milliseconds, so that commits and devices get their turn. */
const ROWS_PER_TURN = 500;

type Gone = { readonly kind: string; readonly name: string; readonly generation: number };

/**
 * Removes tombstones whose time is over. First the site row says up to where (whoever kills us in between has only asked
 * replicas for one full sync too many), then they go, in small transactions. History stays, without what servers kept beside
 * the bodies: credentials and keys of what is long gone.
 */
export async function compactRecord(
  dialect: RecordDialect,
  by: Parameters<SourceOfRecord['compact']>[0],
  nowMs: number,
  signal: AbortSignal | undefined,
): Promise<CompactionOutcome> {
  const gone = await tombstonesThatMayGo(dialect, nowMs, signal);
  const newest = gone.reduce((most, { generation }) => Math.max(most, generation), 0);
  const raised = await raise(dialect, by, newest);
  if (typeof raised === 'string') return { kind: raised };

  let removed = 0;
  for (const [kind, ofKind] of Map.groupBy(gone, ({ kind }) => kind)) {
    for (let from = 0; from < ofKind.length && signal?.aborted !== true; from += ROWS_PER_TURN) {
      const names = ofKind.slice(from, from + ROWS_PER_TURN).map(({ name }) => name);
      removed += await dialect.write(async db => ({ keep: true, value: await removeRows(db, kind, names, newest) }));
      await nextTurn();
    }
  }
  return { kind: 'compacted', removed, generation: raised };
}

async function tombstonesThatMayGo(dialect: RecordDialect, nowMs: number, signal: AbortSignal | undefined) {
  const horizon = await dialect.snapshot(db => oldEnough(db, nowMs));
  const gone: Gone[] = [];
  for (const kind of Object.keys(OBJECT_KINDS)) {
    for (let after: string | undefined = ''; after !== undefined && signal?.aborted !== true; ) {
      const from: string = after;
      const rows = await dialect.snapshot(db => tombstonePage(db, kind, horizon, from));
      for (const { system, ...row } of rows) if (mayGo(kind, system, nowMs)) gone.push({ kind, ...row });
      after = rows.length === ROWS_PER_TURN ? rows.at(-1)?.name : undefined;
      await nextTurn();
    }
  }
  return gone;
}

/**
 * The newest generation that is old enough with all before it. By commits, not by single tombstones: a clock that was wrong
 * for one commit makes none of its neighbours older than they are. Nothing is old by a clock that is behind the last commit.
 */
async function oldEnough(db: RecordDb, nowMs: number): Promise<number> {
  const last = await db.selectFrom('commits').select('at').orderBy('generation', 'desc').limit(1).executeTakeFirst();
  if (last === undefined || last.at > nowMs) return 0;
  const young = await db
    .selectFrom('commits')
    .select('generation')
    .where('at', '>', nowMs - TOMBSTONE_AGE_MS)
    .where('at', '<=', nowMs)
    .orderBy('generation')
    .limit(1)
    .executeTakeFirst();
  return young === undefined ? Number.MAX_SAFE_INTEGER : young.generation - 1;
}

function tombstonePage(db: RecordDb, kind: string, horizon: number, after: string) {
  return db
    .selectFrom('objects')
    .select(['name', 'generation', 'system'])
    .where('kind', '=', kind)
    .where('name', '>', after)
    .where('deleted', '=', 1)
    .where('generation', '<=', horizon)
    .orderBy('name')
    .limit(ROWS_PER_TURN)
    .execute();
}

/** A Device's tombstone is what revokes its key (ADR 0006): it stays until no server takes the certificate any more. */
function mayGo(kind: string, system: string, nowMs: number): boolean {
  if (kind !== 'Device') return true;
  const { certificateExpiresAt = 0 } = JSON.parse(system) as Partial<DeviceSystem>;
  return certificateExpiresAt <= nowMs - TOMBSTONE_AGE_MS;
}

/** The site's `compactedGeneration` from now on, or why nothing may go. */
function raise(dialect: RecordDialect, by: Parameters<SourceOfRecord['compact']>[0], generation: number) {
  return dialect.write(async (db): Promise<{ keep: boolean; value: number | 'stepped_down' | 'forked' }> => {
    await dialect.lockSite(db);
    const site = await requireSite(db);
    if (site.version.epoch !== by.epoch || site.primaryInstance !== by.instance)
      return { keep: false, value: 'stepped_down' };
    if (await isForked(db, site, by.restsOn ?? [])) return { keep: false, value: 'forked' };
    if (site.compactedGeneration >= generation) return { keep: false, value: site.compactedGeneration };
    await db.updateTable('site').set({ compactedGeneration: generation }).where('id', '=', SITE_ROW).execute();
    return { keep: true, value: generation };
  });
}

/** A name that was made anew meanwhile is no tombstone any more, and stays. */
async function removeRows(db: RecordDb, kind: string, names: readonly string[], newest: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('objects')
    .where('kind', '=', kind)
    .where('name', 'in', [...names])
    .where('deleted', '=', 1)
    .where('generation', '<=', newest)
    .executeTakeFirst();
  await db
    .updateTable('history')
    .set({ system: '{}' })
    .where('kind', '=', kind)
    .where('name', 'in', [...names])
    .where('generation', '<=', newest)
    .execute();
  return Number(numDeletedRows);
}
