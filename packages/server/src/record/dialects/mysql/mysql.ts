import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { type DatabaseFinding, DatabaseUnavailable, SiteExists } from '../../errors.ts';
import { type RecordDb, TABLES } from '../../schema.ts';
import type { ColumnTypes, Ending, RecordDialect } from '../dialect.ts';
import type { MysqlAddress } from './address.ts';
import { openConnection, type SqlConnection } from './connection.ts';
import { createInspector } from './inspect.ts';
import { kyselyOn } from './kysely-on.ts';
import { createPool } from './pool.ts';
import { createSecretsReader } from './secrets.ts';
import {
  beginSession,
  isCluster,
  READ_SILENCE_MS,
  SCHEMA_SILENCE_MS,
  type ServerFacts,
  type SessionRole,
  WRITE_SILENCE_MS,
} from './session.ts';
import { ConnectionLost, ER_DUP_ENTRY, isConflict, refusalOf, SqlError, unavailableBy } from './sql-errors.ts';

/** Readers: the feed, and administrators who look at history and events. */
const READERS = 3;
/** Writers: they wait for each other at the site row, but events do not. */
const WRITERS = 5;
/** Waiting for a connection: a reader is told before the database counts as gone (3 s), a writer before a lock ends (5 s). */
const READER_WAIT_MS = 2_500;
const WRITER_WAIT_MS = 5_000;

/** A transaction that was in another one's way is run again so often, unless so much time has gone by. */
const MAX_TRIES = 10;
const TRY_AGAIN_WITHIN_MS = 5_000;
/** Between two tries, times a random part and the number of the try: two that met must not meet again. */
const TRY_AGAIN_STEP_MS = 20;

/** A COMMIT without an answer is looked for so long: a dead writer's lock lasts 10 s, and administration waits 10 s. */
const LOOK_FOR_COMMIT_MS = 9_000;
const LOOK_AGAIN_MS = 200;

/** On every table that ThinMan has made: what has it not is somebody else's. */
const TABLE_COMMENT = 'ThinMan source of record';

export type MysqlOptions = {
  /** A Secondary's: it never writes. */
  readonly readOnly: boolean;
  readonly environment?: NodeJS.ProcessEnv;
  /** A Primary's: use a database even if it may lose what it has acknowledged. */
  readonly acceptWeakDurability?: boolean;
  /** What is wrong with the database, and yet no reason not to use it. */
  readonly onFinding?: (where: string, finding: DatabaseFinding) => void;
};

type Seat = SqlConnection & { readonly facts: ServerFacts };

/** A connection that had been closed before it was told anything: the same on a new one. */
class StaleConnection extends Error {}

/** COMMIT was sent, and the connection was lost. */
class CommitUnanswered<T> extends Error {
  readonly ending: Ending<T>;
  readonly facts: ServerFacts;
  constructor(ending: Ending<T>, facts: ServerFacts, cause: unknown) {
    super('COMMIT was not answered', { cause });
    this.ending = ending;
    this.facts = facts;
  }
}

const types: ColumnTypes = { key: chars => sql`varchar(${sql.lit(chars)})`, text: sql`longtext`, integer: 'bigint' };

/** The source of record in MySQL or MariaDB. Connects when first used, and anew by itself whenever it must. */
export function mysqlDialect(address: MysqlAddress, options: MysqlOptions): RecordDialect {
  const { readOnly, environment = process.env, acceptWeakDurability = false, onFinding = () => {} } = options;
  const where = `database ${address.database} at ${address.host}:${address.port}`;
  const secrets = createSecretsReader(address, environment);
  const inspect = createInspector({ database: address.database, where, readOnly, acceptWeakDurability, onFinding });
  let kind: RecordDialect['kind'] = 'mysql';

  async function open(role: SessionRole, signal: AbortSignal): Promise<Seat> {
    const connection = await openConnection(address, secrets(), signal);
    signal.addEventListener('abort', connection.destroy);
    try {
      const facts = await beginSession(connection, role);
      kind = facts.kind;
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
      ...{ size, waitMs },
      open: signal => open(role, signal),
      tooLate: opening =>
        opening
          ? new ConnectionLost(`it has not answered for ${waitMs} ms`)
          : new DatabaseUnavailable('busy', `${where}: all ${size} connections have been in use for ${waitMs} ms`),
    });
  const readers = lane('reader', READERS, READER_WAIT_MS);
  const writers = lane('writer', WRITERS, WRITER_WAIT_MS);

  async function explaining<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw unavailableBy(error, where) ?? error;
    }
  }

  function mayWrite(): void {
    if (readOnly) throw new Error('a read-only source of record was asked to write: a Secondary never writes');
  }

  async function onSeat<T>(pool: typeof readers, begin: string, work: (seat: Seat) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await pool.run(async (seat, used) => {
          await beginOn(seat, used, begin);
          return work(seat);
        });
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
      }
    }
  }

  function transaction<T>(work: (db: RecordDb) => Promise<Ending<T>>): Promise<T> {
    return onSeat(writers, 'START TRANSACTION', async seat => {
      let ending: Ending<T>;
      try {
        ending = await work(kyselyOn(seat, { silenceMs: WRITE_SILENCE_MS }));
      } catch (error) {
        await rollBack(seat);
        throw error;
      }
      if (ending.keep) await commit(seat, ending);
      else await rollBack(seat);
      return ending.value;
    });
  }

  async function commit<T>(seat: Seat, ending: Ending<T>): Promise<void> {
    try {
      await seat.query('COMMIT', [], WRITE_SILENCE_MS);
    } catch (error) {
      if (error instanceof ConnectionLost) throw new CommitUnanswered(ending, seat.facts, error);
      // Refused, and rolled back with that; if it was not, the end of the connection does it.
      if (!isConflict(error)) seat.destroy();
      throw error;
    }
  }

  async function write<T>(work: (db: RecordDb) => Promise<Ending<T>>): Promise<T> {
    const end = performance.now() + TRY_AGAIN_WITHIN_MS;
    for (let tried = 1; ; tried++) {
      try {
        return await transaction(work);
      } catch (error) {
        if (error instanceof CommitUnanswered) return afterLostCommit(error as CommitUnanswered<T>);
        if (!isConflict(error) || tried === MAX_TRIES || performance.now() > end) throw error;
        await delay(Math.random() * tried * TRY_AGAIN_STEP_MS);
      }
    }
  }

  async function afterLostCommit<T>({ ending, facts, cause }: CommitUnanswered<T>): Promise<T> {
    const { landed } = ending;
    const found = landed === undefined ? 'unknown' : await lookForCommit(landed, facts);
    if (found === 'yes') return ending.value;
    const words =
      found === 'no'
        ? 'the connection broke before the change was made; it was not made: try again'
        : 'the connection broke while the change was made. Whether it was made is not known: look before you repeat it';
    throw new DatabaseUnavailable('unreachable', `${where}: ${words}`, cause);
  }

  async function lookForCommit(
    landed: NonNullable<Ending<unknown>['landed']>,
    before: ServerFacts,
  ): Promise<'yes' | 'no' | 'unknown'> {
    const end = performance.now() + LOOK_FOR_COMMIT_MS;
    for (;;) {
      try {
        return await onSeat(writers, 'START TRANSACTION', async seat => {
          // Whoever holds this row may still be that transaction: it has ended when the row is free.
          await seat.query('SELECT id FROM site FOR UPDATE', [], WRITE_SILENCE_MS);
          const found = await landed(kyselyOn(seat, { silenceMs: READ_SILENCE_MS }));
          await rollBack(seat);
          if (found) return 'yes';
          // Another server knows nothing of what the first one still has in its hands.
          return seat.facts.serverId === before.serverId && !isCluster(seat.facts) ? 'no' : 'unknown';
        });
      } catch {
        if (performance.now() > end) return 'unknown';
        await delay(LOOK_AGAIN_MS);
      }
    }
  }

  return {
    get kind() {
      return kind;
    },
    types,
    table: builder =>
      builder.modifyEnd(
        sql`engine = InnoDB row_format = dynamic default charset = utf8mb4 collate = utf8mb4_bin comment = ${sql.lit(TABLE_COMMENT)}`,
      ),
    snapshot: work =>
      explaining(() =>
        onSeat(readers, 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', async seat => {
          try {
            return await work(kyselyOn(seat, { silenceMs: READ_SILENCE_MS }));
          } finally {
            await rollBack(seat);
          }
        }),
      ),
    async write(work) {
      mayWrite();
      return explaining(() => write(work));
    },
    async alter(work) {
      mayWrite();
      const silence = { silenceMs: SCHEMA_SILENCE_MS, repeatable: true };
      return explaining(() => onSeat(writers, 'ROLLBACK', seat => work(kyselyOn(seat, silence))));
    },
    async create(makeSchema, work) {
      mayWrite();
      const exists = () => new SiteExists(`${where} holds a site: a site is never written over what is there`);
      return explaining(async () => {
        await onSeat(writers, 'ROLLBACK', async seat => {
          if ((await stateOf(seat, where)) === 'site') throw exists();
          await makeSchema(kyselyOn(seat, { silenceMs: SCHEMA_SILENCE_MS, repeatable: true }));
        });
        try {
          return await write(work);
        } catch (error) {
          // Somebody else was faster.
          throw error instanceof SqlError && error.errno === ER_DUP_ENTRY ? exists() : error;
        }
      });
    },
    // Never INSERT IGNORE: it would cut what is too long, and hide what is refused.
    ignoringDuplicates: (insert, [first]) =>
      first === undefined ? insert : insert.onDuplicateKeyUpdate({ [first]: sql.ref(first) } as never),
    refusalCode: refusalOf,
    async close() {
      await Promise.all([readers.close(), writers.close()]);
    },
  };
}

/** The first word to a connection; one that was idle may have been ended by the other side meanwhile. */
async function beginOn(seat: Seat, used: boolean, begin: string): Promise<void> {
  try {
    await seat.query(begin, [], READ_SILENCE_MS);
  } catch (error) {
    if (used && error instanceof ConnectionLost && !error.silent) throw new StaleConnection();
    throw error;
  }
}

/** What cannot be rolled back goes with its connection. */
async function rollBack(seat: Seat): Promise<void> {
  if (seat.isLost()) return;
  try {
    await seat.query('ROLLBACK', [], READ_SILENCE_MS);
  } catch {
    seat.destroy();
  }
}

/** What is in a database that is to hold a site. Throws DatabaseUnavailable (`foreign`) on tables of another program. */
async function stateOf(seat: Seat, where: string): Promise<'site' | 'no_site'> {
  const { rows } = await seat.query(
    'SELECT table_name AS called, table_comment AS comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN (?)',
    [Object.keys(TABLES)],
    READ_SILENCE_MS,
  );
  const foreign = rows.find(({ comment }) => comment !== TABLE_COMMENT);
  if (foreign !== undefined) {
    throw new DatabaseUnavailable(
      'foreign',
      `${where} has a table ${foreign.called} of another program; give ThinMan a database of its own`,
    );
  }
  // A schema without a site row is what an init that was cut off has left: the next one completes it.
  if (!rows.some(({ called }) => called === 'site')) return 'no_site';
  const { rows: sites } = await seat.query('SELECT id FROM site', [], READ_SILENCE_MS);
  return sites.length > 0 ? 'site' : 'no_site';
}
