import { canonicalJson, type SignedStatement, type Version } from '@thinman/protocol';
import { sql } from 'kysely';
import type { SiteRow, StoredObject } from '../ports.ts';
import { inBatches } from './batches.ts';
import { isCommitted, writeObjects } from './change-set.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import { createSchema } from './migrations/index.ts';
import { type RecordDb, type RecordSchema, SCHEMA } from './schema.ts';
import { requireSite, SITE_ROW } from './site.ts';
import { fromRow } from './stored-object.ts';
import { type Row, walk } from './walk.ts';

/** All that a site is. The heartbeat is of this moment alone. */
const COPIED = [
  'site',
  'commits',
  'objects',
  'history',
  'events',
  'event_quarantine',
  'file_chunks',
  'bundle_reports',
] as const satisfies readonly (keyof RecordSchema)[];
export type CopiedTable = (typeof COPIED)[number];
/** Tables that older schemas have not. */
const SINCE_SCHEMA: Partial<Record<CopiedTable, number>> = { file_chunks: 2, bundle_reports: 2 };
/** Some rows of one table. */
export type CopiedRows = { readonly table: CopiedTable; readonly rows: readonly Row[] };

export function isCopiedTable(table: string): table is CopiedTable {
  return COPIED.some(known => known === table);
}

/** Hands on every row of a site in one snapshot; first what the site is, and who its servers are. A reader that is slow is waited for. */
export function copyOut(
  dialect: RecordDialect,
  begin: (site: SiteRow, servers: readonly StoredObject[]) => Promise<void>,
  take: (rows: CopiedRows) => Promise<void>,
): Promise<void> {
  return dialect.snapshot(async db => {
    const site = await requireSite(db);
    await begin(site, await serversIn(db));
    for (const table of COPIED) {
      if ((SINCE_SCHEMA[table] ?? 0) > site.schema) continue;
      for await (const rows of walk(db, table)) await take({ table, rows });
    }
  });
}

async function serversIn(db: RecordDb): Promise<readonly StoredObject[]> {
  const rows = await db
    .selectFrom('objects')
    .selectAll()
    .where('kind', '=', 'Server')
    .where('deleted', '=', 0)
    .execute();
  return rows.map(fromRow);
}

/** What makes a copied site one that goes on elsewhere: the commit of a new epoch. */
export type Renewed = {
  readonly version: Version;
  readonly commitId: string;
  readonly actor: string;
  readonly atMs: number;
  readonly primaryInstance: string;
  readonly statement: SignedStatement;
  readonly objects: readonly StoredObject[];
};

/**
 * Fills an empty database with a copied site, all in one transaction, with one commit on top. `read` begins anew when the
 * transaction has to. Rejects with SiteExists where there is a site, with DatabaseUnavailable.
 */
export function copyIn(
  dialect: RecordDialect,
  schema: number,
  read: () => AsyncIterable<CopiedRows>,
  renewed: Renewed,
): Promise<void> {
  const { version, commitId, actor, atMs, primaryInstance, objects } = renewed;
  return dialect.create(
    // As it was there: what comes after it is done by the migrations, when the Primary starts.
    db => createSchema(db, dialect, schema),
    async db => {
      for await (const { table, rows } of read()) await insertRows(db, table, rows);
      await writeObjects(db, objects, { version, commitId, actor, atMs });
      await db
        .updateTable('site')
        .set({ ...version, commitId, primaryInstance, statement: canonicalJson(renewed.statement) })
        .where('id', '=', SITE_ROW)
        .execute();
      return { keep: true, value: undefined, landed: now => isCommitted(now, version, commitId) };
    },
  );
}

async function insertRows(db: RecordDb, table: CopiedTable, rows: readonly Row[]): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first);
  const names = sql.join(columns.map(column => sql.ref(column)));
  for (const some of inBatches(rows, charsOf)) {
    const values = some.map(row => sql`(${sql.join(columns.map(column => row[column] ?? null))})`);
    await sql`insert into ${sql.table(table)} (${names}) values ${sql.join(values)}`.execute(db);
  }
}

function charsOf(row: Row): number {
  return Object.values(row).reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0);
}

/** A copy of this schema can be filled in by this build. */
export function canCopyIn(schema: number): boolean {
  return schema >= 1 && schema <= SCHEMA;
}
