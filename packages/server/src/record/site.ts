import { randomUUID } from 'node:crypto';
import { canonicalJson, type SignedStatement, type Version } from '@thinman/protocol';
import type { Clock, NewSite, SiteRow, StoredObject } from '../ports.ts';
import { isCommitted, writeObjects } from './change-set.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import { DatabaseUnavailable } from './errors.ts';
import { createSchema } from './migrations/index.ts';
import { NEWEST_READABLE_SCHEMA, OLDEST_READABLE_SCHEMA, type RecordDb, SCHEMA } from './schema.ts';

/** The one row of `site`. */
export const SITE_ROW = 1;
const FIRST_VERSION: Version = { epoch: 1, generation: 1 };
const INITIAL_ACTOR = 'init';

/** Reads the site row; undefined where there is none. Throws DatabaseUnavailable on a schema that this build cannot read. */
export async function readSite(db: RecordDb): Promise<SiteRow | undefined> {
  const row = await db.selectFrom('site').selectAll().where('id', '=', SITE_ROW).executeTakeFirst();
  if (row === undefined) return undefined;
  requireReadable(row.schema);
  return {
    siteId: row.siteId,
    version: { epoch: row.epoch, generation: row.generation },
    commitId: row.commitId,
    primaryInstance: row.primaryInstance,
    compactedGeneration: row.compactedGeneration,
    schema: row.schema,
    statement: JSON.parse(row.statement) as SignedStatement,
    caCertificates: JSON.parse(row.caCertificates) as string[],
    wrappedCaKey: row.wrappedCaKey,
  };
}

/** The site in this database; undefined where there is none yet. */
export async function findSite(dialect: RecordDialect): Promise<SiteRow | undefined> {
  try {
    return await dialect.snapshot(readSite);
  } catch (error) {
    if (error instanceof DatabaseUnavailable && error.trouble === 'no_site') return undefined;
    throw error;
  }
}

export async function requireSite(db: RecordDb): Promise<SiteRow> {
  const site = await readSite(db);
  if (site === undefined) throw new DatabaseUnavailable('no_site', 'the database holds no site (yet)');
  return site;
}

export function requireReadable(schema: number): void {
  if (schema > NEWEST_READABLE_SCHEMA) {
    throw new DatabaseUnavailable(
      'newer_schema',
      `the database has schema ${schema}, this server reads up to ${NEWEST_READABLE_SCHEMA}: update this server`,
    );
  }
  if (schema < OLDEST_READABLE_SCHEMA) throw olderSchema(schema, OLDEST_READABLE_SCHEMA);
}

/** Reading an older schema is one thing; writing asks for what the Primary has brought up. */
export function requireWritable(schema: number): void {
  requireReadable(schema);
  if (schema < SCHEMA) throw olderSchema(schema, SCHEMA);
}

function olderSchema(schema: number, needed: number): DatabaseUnavailable {
  return new DatabaseUnavailable(
    'older_schema',
    `the database has schema ${schema}, this server needs ${needed}: it is brought up when the Primary runs this version`,
  );
}

/** Schema, site row, first commit and first objects. Rejects with SiteExists where there is a site. */
export function initialise(
  dialect: RecordDialect,
  clock: Pick<Clock, 'nowMs'>,
  site: NewSite,
  objects: readonly Pick<StoredObject, 'kind' | 'name' | 'body' | 'system'>[],
): Promise<SiteRow> {
  const row: SiteRow = {
    ...site,
    version: FIRST_VERSION,
    commitId: randomUUID(),
    compactedGeneration: 0,
    schema: SCHEMA,
  };
  const { version, statement, caCertificates, ...columns } = row;
  const stored = objects.map(object => ({
    ...object,
    uid: randomUUID(),
    generation: version.generation,
    deleted: false,
  }));
  const mark = { version, commitId: row.commitId, actor: INITIAL_ACTOR, atMs: clock.nowMs() };
  const makeSchema = (db: RecordDb) => createSchema(db, dialect);
  return dialect.create(makeSchema, async db => {
    await db
      .insertInto('site')
      .values({
        ...{ id: SITE_ROW, ...columns, ...version },
        statement: canonicalJson(statement),
        caCertificates: canonicalJson(caCertificates),
      })
      .execute();
    await writeObjects(db, stored, mark);
    return { keep: true, value: row, landed: now => isCommitted(now, version, row.commitId) };
  });
}
