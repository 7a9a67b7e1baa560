import { setImmediate as nextTurn } from 'node:timers/promises';
import { type RawBuilder, sql } from 'kysely';
import type { RecordDb, RecordSchema } from './schema.ts';

/** Rows in memory at a time: at the largest bodies some megabytes. */
const ROWS_PER_PAGE = 200;

export type Row = Readonly<Record<string, unknown>>;

/** By which each table is walked: its primary key. */
const KEYS = {
  site: ['id'],
  heartbeat: ['id'],
  commits: ['epoch', 'generation'],
  objects: ['kind', 'name'],
  history: ['kind', 'name', 'epoch', 'generation'],
  events: ['sequence'],
  event_quarantine: ['sequence'],
  file_chunks: ['hash', 'part'],
  bundle_reports: ['origin', 'user'],
} as const satisfies { readonly [T in keyof RecordSchema]: readonly (keyof RecordSchema[T])[] };

/** All rows of a table in the order of its primary key, a page at a time: to be used within one snapshot. */
export async function* walk(db: RecordDb, table: keyof RecordSchema): AsyncGenerator<readonly Row[]> {
  let last: Row | undefined;
  for (;;) {
    const page = await pageAfter(db, table, last);
    if (page.length > 0) yield page;
    if (page.length < ROWS_PER_PAGE) return;
    last = page.at(-1);
    await nextTurn();
  }
}

/**
 * What comes after a row, range by range: the rest of its innermost group, then of the next one. Each is a range of the index on
 * every database; `(a, b) > (?, ?)` in one condition is not (MySQL reads the table from its beginning for each page).
 */
async function pageAfter(db: RecordDb, table: keyof RecordSchema, last: Row | undefined): Promise<readonly Row[]> {
  const key: readonly string[] = KEYS[table];
  if (last === undefined) return range(db, table, key, sql`1 = 1`, ROWS_PER_PAGE);
  const rows: Row[] = [];
  for (let shared = key.length - 1; shared >= 0 && rows.length < ROWS_PER_PAGE; shared--) {
    const parts = key.slice(0, shared + 1).map((column, at) => {
      return at < shared ? sql`${sql.ref(column)} = ${last[column]}` : sql`${sql.ref(column)} > ${last[column]}`;
    });
    rows.push(...(await range(db, table, key.slice(shared), sql.join(parts, sql` and `), ROWS_PER_PAGE - rows.length)));
  }
  return rows;
}

async function range(
  db: RecordDb,
  table: keyof RecordSchema,
  order: readonly string[],
  where: RawBuilder<unknown>,
  limit: number,
): Promise<readonly Row[]> {
  const by = sql.join(order.map(column => sql.ref(column)));
  const query = sql<Row>`select * from ${sql.table(table)} where ${where} order by ${by} limit ${sql.lit(limit)}`;
  return (await query.execute(db)).rows;
}
