import type Database from 'better-sqlite3';
import { Kysely, SqliteDialect, sql } from 'kysely';
import { type DatabaseTrouble, DatabaseUnavailable, SiteExists } from '../errors.ts';
import type { RecordDb, RecordSchema } from '../schema.ts';
import type { ColumnTypes, Ending, RecordDialect } from './dialect.ts';
import { createSqliteFile, fileAt, openSqliteFile, refusalOf, type SqliteTrouble, troubleOf } from './sqlite-file.ts';

/** "TMsr": ThinMan source of record. In the header from the transaction that makes the site. */
const APPLICATION_ID = 0x544d7372;

const types: ColumnTypes = { key: () => 'text', text: 'text', integer: 'integer' };

const EXPLAINED: Readonly<Record<SqliteTrouble, readonly [DatabaseTrouble, string]>> = {
  missing: ['missing', 'the database file is not there'],
  empty: ['no_site', 'the database file holds no site'],
  damaged: ['damaged', 'the database file is damaged, or is no SQLite database'],
  foreign: ['foreign', 'the database file is not a ThinMan source of record'],
  busy: ['busy', 'another process keeps the database file locked'],
  full: ['full', 'the disk of the database file is full'],
  unreadable: ['unreachable', 'the database file cannot be read or written'],
};

/**
 * The embedded source of record. One connection writes, one reads (WAL: neither waits for the other); a read-only one never
 * writes. Both are opened when first used, and anew after the file was away or has been replaced.
 */
export function sqliteDialect(path: string, { readOnly }: { readonly readOnly: boolean }): RecordDialect {
  const reader = openSeat(path, () => openSqliteFile(path, { applicationId: APPLICATION_ID, readOnly: true }));
  const writer = openSeat(path, () => {
    if (readOnly) throw new Error('a read-only source of record was asked to write: a Secondary never writes');
    return openSqliteFile(path, { applicationId: APPLICATION_ID });
  });

  return {
    kind: 'sqlite',
    types,
    table: builder => builder.modifyEnd(sql`strict`),
    snapshot: work => reader.run(db => transaction(db, 'begin', async () => ({ keep: false, value: await work(db) }))),
    write: work => writer.run(db => transaction(db, 'begin immediate', () => work(db))),
    // `begin immediate` has done it.
    lockSite: async () => {},
    alter: work =>
      writer.run(db => transaction(db, 'begin immediate', async () => ({ keep: true, value: await work(db) }))),
    async create(makeSchema, work) {
      if (readOnly) throw new Error('a read-only source of record was asked to make a site');
      const maker = openSeat(path, () => createSqliteFile(path, { applicationId: APPLICATION_ID }));
      try {
        return await maker.run(db => transaction(db, 'begin immediate', () => inEmptyFile(db, path, makeSchema, work)));
      } finally {
        await maker.close();
      }
    },
    // Row by row, by a statement that is kept: to read one of two hundred rows takes SQLite as long as to insert them, and for a
    // statement of several rows it writes down what it changes, in case that one of them is refused.
    async insertNew(_db, table, key, rows) {
      const columns = Object.keys(rows[0] ?? {});
      const quoted = (names: readonly string[]) => names.map(name => `"${name}"`).join(', ');
      const statement = writer.prepared(
        `insert into "${table}" (${quoted(columns)}) values (${columns.map(() => '?').join(', ')})
         on conflict (${quoted(key)}) do nothing`,
      );
      for (const row of rows) statement.run(...columns.map(column => (row as Record<string, unknown>)[column]));
    },
    refusalCode: refusalOf,
    connections: () => [],
    obstacleToWriting: async () => undefined,
    async close() {
      await Promise.all([reader.close(), writer.close()]);
    },
  };
}

async function inEmptyFile<T>(
  db: RecordDb,
  path: string,
  makeSchema: (db: RecordDb) => Promise<void>,
  work: (db: RecordDb) => Promise<Ending<T>>,
) {
  const held = await sql<{ tables: number }>`select count(*) as tables from sqlite_schema`.execute(db);
  if (held.rows[0]?.tables !== 0)
    throw new SiteExists(`${path} is not empty: a site is never written over what is there`);
  await sql.raw(`pragma application_id = ${APPLICATION_ID}`).execute(db);
  await makeSchema(db);
  return work(db);
}

/** `begin immediate` takes the write lock at once: what is read after it cannot change before the commit. */
async function transaction<T>(db: RecordDb, begin: 'begin' | 'begin immediate', work: () => Promise<Ending<T>>) {
  await sql.raw(begin).execute(db);
  let keep = false;
  try {
    const ending = await work();
    keep = ending.keep;
    if (keep) await sql`commit`.execute(db);
    return ending.value;
  } catch (error) {
    keep = false;
    throw error;
  } finally {
    // A failed rollback says only that SQLite has rolled back by itself (disk full, for one).
    if (!keep) await sql`rollback`.execute(db).catch(() => undefined);
  }
}

/** One connection and its queue: a transaction at a time. Reconnects by itself. */
function openSeat(path: string, connect: () => Database.Database) {
  let seat:
    | {
        readonly handle: Database.Database;
        readonly kysely: Kysely<RecordSchema>;
        readonly file: string;
        readonly statements: Map<string, Database.Statement>;
      }
    | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  let closed = false;

  function leave(): void {
    seat?.handle.close();
    seat = undefined;
  }

  function take(): Kysely<RecordSchema> {
    if (closed) throw new Error('the source of record is closed');
    // An open handle outlives its file: without this, a deleted database would go on answering.
    if (seat !== undefined && fileAt(path) !== seat.file) leave();
    if (seat === undefined) {
      const handle = connect();
      const kysely = new Kysely<RecordSchema>({ dialect: new SqliteDialect({ database: handle }) });
      seat = { handle, kysely, file: fileAt(path) ?? '', statements: new Map() };
    }
    return seat.kysely;
  }

  async function attempt<T>(work: (db: RecordDb) => Promise<T>): Promise<T> {
    try {
      return await take().connection().execute(work);
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble === undefined) throw error;
      if (trouble !== 'busy' && trouble !== 'full') leave();
      const [code, words] = EXPLAINED[trouble];
      throw new DatabaseUnavailable(code, `database ${path}: ${words}`, error);
    }
  }

  return {
    run<T>(work: (db: RecordDb) => Promise<T>): Promise<T> {
      const result = queue.then(() => attempt(work));
      queue = result.catch(() => undefined);
      return result;
    },
    /** For `work` that runs now. Kept as long as the connection. */
    prepared(text: string): Database.Statement {
      if (seat === undefined) throw new Error('a statement was asked for outside of work');
      const statement = seat.statements.get(text) ?? seat.handle.prepare(text);
      seat.statements.set(text, statement);
      return statement;
    },
    async close(): Promise<void> {
      await queue;
      closed = true;
      leave();
    },
  };
}
