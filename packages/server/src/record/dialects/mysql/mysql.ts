import { sql } from 'kysely';
import { type DatabaseFinding, DatabaseUnavailable, SiteExists } from '../../errors.ts';
import type { ColumnTypes, RecordDialect } from '../dialect.ts';
import type { MysqlAddress } from './address.ts';
import { openConnection } from './connection.ts';
import { createInspector } from './inspect.ts';
import { kyselyOn } from './kysely-on.ts';
import { obstacleToWriting } from './obstacle.ts';
import { siteIn, TABLE_COMMENT } from './own-tables.ts';
import { createPool } from './pool.ts';
import { locked } from './schema-lock.ts';
import { onSeat, type Seat, snapshotOn, writeOn } from './seat.ts';
import { createSecretsReader } from './secrets.ts';
import { beginSession, READ_SILENCE_MS, SCHEMA_SILENCE_MS, type ServerFacts, type SessionRole } from './session.ts';
import { ConnectionLost, ER_DUP_ENTRY, isKeptOut, refusalOf, SqlError, unavailableBy } from './sql-errors.ts';

/** The feed: one reads at a time. By its answers the database counts as there, so it stands behind no administrator's slow query. */
const FEEDS = 1;
/** Administrators who look at history and events. */
const READERS = 3;
/** Writers: they wait for each other at the site row, but events do not. */
const WRITERS = 5;
/** Waiting for a connection: a reader is told before the database counts as gone (3 s), a writer before a lock ends (5 s). */
const READER_WAIT_MS = 2_500;
const WRITER_WAIT_MS = 5_000;
/** Work that waits for a connection: some rounds of what each lane does at once. What comes beyond is told so before its wait. */
const MAX_WAITING = 64;

export type MysqlOptions = {
  /** A Secondary's: it never writes. */
  readonly readOnly: boolean;
  readonly environment?: NodeJS.ProcessEnv;
  /** A Primary's: use a database even if it may lose what it has acknowledged. */
  readonly acceptWeakDurability?: boolean;
  /** What is wrong with the database, and yet no reason not to use it. */
  readonly onFinding?: (where: string, finding: DatabaseFinding) => void;
};

const types: ColumnTypes = { key: chars => sql`varchar(${sql.lit(chars)})`, text: sql`longtext`, integer: 'bigint' };
const TABLE_END = sql`engine = InnoDB row_format = dynamic default charset = utf8mb4 collate = utf8mb4_bin comment = ${sql.lit(TABLE_COMMENT)}`;
const SCHEMA_WORK = { silenceMs: SCHEMA_SILENCE_MS, repeatable: true };
/** Nothing is open; it only shows that the connection works. */
const NO_TRANSACTION = 'ROLLBACK';

/** The source of record in MySQL or MariaDB. Connects when first used, and anew by itself whenever it must. */
export function mysqlDialect(address: MysqlAddress, options: MysqlOptions): RecordDialect {
  const { readOnly, environment = process.env, acceptWeakDurability = false, onFinding = () => {} } = options;
  const { host, port, database } = address;
  const where = `database ${database} at ${host}:${port}`;
  const secrets = createSecretsReader(address, environment);
  const inspect = createInspector({ database, where, readOnly, acceptWeakDurability, onFinding });
  let met: ServerFacts | undefined;
  let keptOut: string | undefined;

  /** Remembers who we are there, for the GRANT that is to be told. */
  async function nameAccount(signal: AbortSignal): Promise<void> {
    const connection = await openConnection({ ...address, database: '' }, secrets(), signal);
    try {
      const { rows } = await connection.query('SELECT CURRENT_USER() AS account', [], READ_SILENCE_MS);
      keptOut = String(rows[0]?.account);
    } finally {
      connection.destroy();
    }
  }

  async function connect(signal: AbortSignal) {
    try {
      return await openConnection(address, secrets(), signal);
    } catch (error) {
      // Without it the words are poorer; the error is the same.
      if (isKeptOut(error) && keptOut === undefined) await nameAccount(signal).catch(() => {});
      throw error;
    }
  }

  async function open(role: SessionRole, signal: AbortSignal): Promise<Seat> {
    const connection = await connect(signal);
    signal.addEventListener('abort', connection.destroy);
    try {
      const facts = await beginSession(connection, role);
      met = facts;
      await inspect(connection, facts);
      return { ...connection, facts };
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', connection.destroy);
    }
  }

  const lane = (role: SessionRole, size: number, waitMs: number) =>
    createPool<Seat>({
      ...{ size, waitMs, maxWaiting: MAX_WAITING },
      open: signal => open(role, signal),
      tooLate: opening =>
        opening
          ? new ConnectionLost(`it has not answered for ${waitMs} ms`)
          : new DatabaseUnavailable('busy', `${where}: all ${size} connections have been in use for ${waitMs} ms`),
      tooMany: () =>
        new DatabaseUnavailable('busy', `${where}: ${MAX_WAITING} wait for one of its ${size} connections already`),
    });
  const feeds = lane('reader', FEEDS, READER_WAIT_MS);
  const readers = lane('reader', READERS, READER_WAIT_MS);
  const writers = lane('writer', WRITERS, WRITER_WAIT_MS);

  async function explaining<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw unavailableBy(error, { where, database, account: met?.account ?? keptOut, readOnly }) ?? error;
    }
  }

  async function writing<T>(work: () => Promise<T>): Promise<T> {
    if (readOnly) throw new Error('a read-only source of record was asked to write: a Secondary never writes');
    return explaining(work);
  }

  return {
    get kind() {
      return met?.kind ?? 'mysql';
    },
    types,
    table: builder => builder.modifyEnd(TABLE_END),
    snapshot: (work, lane = 'reader') => explaining(() => snapshotOn(lane === 'feed' ? feeds : readers, work)),
    write: work => writing(() => writeOn(writers, where, work)),
    lockSite: async db => void (await sql`select id from site for update`.execute(db)),
    alter: work =>
      writing(() =>
        onSeat(writers, NO_TRANSACTION, seat =>
          locked(seat, { database, where }, () => work(kyselyOn(seat, SCHEMA_WORK))),
        ),
      ),
    create: (makeSchema, work) =>
      writing(async () => {
        const exists = () => new SiteExists(`${where} holds a site: a site is never written over what is there`);
        await onSeat(writers, NO_TRANSACTION, async seat => {
          if ((await siteIn(seat, where)) === 'site') throw exists();
          await makeSchema(kyselyOn(seat, SCHEMA_WORK));
        });
        try {
          return await writeOn(writers, where, work);
        } catch (error) {
          // Somebody else was faster.
          throw error instanceof SqlError && error.errno === ER_DUP_ENTRY ? exists() : error;
        }
      }),
    // Never INSERT IGNORE: it would cut what is too long, and hide what is refused.
    async insertNew(db, table, [first], rows) {
      const insert = db.insertInto(table).values([...rows]);
      await (first === undefined
        ? insert
        : insert.onDuplicateKeyUpdate({ [first]: sql.ref(first) } as never)
      ).execute();
    },
    refusalCode: refusalOf,
    connections: () => [
      { lane: 'feed', ...feeds.load() },
      { lane: 'reader', ...readers.load() },
      ...(readOnly ? [] : [{ lane: 'writer', ...writers.load() } as const]),
    ],
    obstacleToWriting: () =>
      explaining(() =>
        onSeat(readers, NO_TRANSACTION, seat =>
          obstacleToWriting(seat, { database, facts: seat.facts }, acceptWeakDurability),
        ),
      ),
    async close() {
      await Promise.all([feeds.close(), readers.close(), writers.close()]);
    },
  };
}
