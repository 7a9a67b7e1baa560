import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseUnavailable } from '../../errors.ts';
import type { RecordDb } from '../../schema.ts';
import type { Ending } from '../dialect.ts';
import type { SqlConnection } from './connection.ts';
import { kyselyOn } from './kysely-on.ts';
import { type Pool, PoolClosed } from './pool.ts';
import { isCluster, READ_SILENCE_MS, type ServerFacts, WRITE_SILENCE_MS } from './session.ts';
import { ConnectionLost, isConflict, isMisled, isUndecided } from './sql-errors.ts';

/** A connection that is ready to be used, and what is at its other end. */
export type Seat = SqlConnection & { readonly facts: ServerFacts };

/** A transaction that was in another one's way is run again so often, unless so much time has gone by. */
const MAX_TRIES = 10;
const TRY_AGAIN_WITHIN_MS = 5_000;
/** Between two tries, times a random part and the number of the try: two that met must not meet again. */
const TRY_AGAIN_STEP_MS = 20;

/** A COMMIT without an answer is looked for so long: a dead writer's lock lasts 10 s, and administration waits 10 s. */
const LOOK_FOR_COMMIT_MS = 9_000;
const LOOK_AGAIN_MS = 200;

/** A connection that had been closed before it was told anything: the same on a new one. */
class StaleConnection extends Error {}

/** COMMIT was sent, and no answer says whether it was done. */
class CommitUnanswered<T> extends Error {
  readonly ending: Ending<T>;
  readonly facts: ServerFacts;
  constructor(ending: Ending<T>, facts: ServerFacts, cause: unknown) {
    super('COMMIT was not answered', { cause });
    this.ending = ending;
    this.facts = facts;
  }
}

/** Says `first` to a connection and runs `work` on it; on another one if it turns out that it had been closed long ago. */
export async function onSeat<T>(pool: Pool<Seat>, first: string, work: (seat: Seat) => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await pool.run(async (seat, used) => {
        try {
          await begin(seat, used, first);
          return await work(seat);
        } catch (error) {
          if (isMisled(error)) seat.destroy();
          throw error;
        }
      });
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
    }
  }
}

async function begin(seat: Seat, used: boolean, first: string): Promise<void> {
  try {
    await seat.query(first, [], READ_SILENCE_MS);
  } catch (error) {
    if (used && error instanceof ConnectionLost && !error.silent) throw new StaleConnection();
    throw error;
  }
}

/** One consistent snapshot. */
export function snapshotOn<T>(pool: Pool<Seat>, work: (db: RecordDb) => Promise<T>): Promise<T> {
  return onSeat(pool, 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', async seat => {
    try {
      return await work(kyselyOn(seat, { silenceMs: READ_SILENCE_MS }));
    } finally {
      await rollBack(seat);
    }
  });
}

/** One transaction, run again where another one was in the way. `where`: how the database is named to people. */
export async function writeOn<T>(
  pool: Pool<Seat>,
  where: string,
  work: (db: RecordDb) => Promise<Ending<T>>,
): Promise<T> {
  const end = performance.now() + TRY_AGAIN_WITHIN_MS;
  for (let tried = 1; ; tried++) {
    try {
      return await transactionOn(pool, work);
    } catch (error) {
      if (error instanceof CommitUnanswered) return afterLostCommit(pool, where, error as CommitUnanswered<T>);
      if (!isConflict(error) || tried === MAX_TRIES || performance.now() > end) throw error;
      await delay(Math.random() * tried * TRY_AGAIN_STEP_MS);
    }
  }
}

function transactionOn<T>(pool: Pool<Seat>, work: (db: RecordDb) => Promise<Ending<T>>): Promise<T> {
  return onSeat(pool, 'START TRANSACTION', async seat => {
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
    if (error instanceof ConnectionLost || isUndecided(error)) {
      seat.destroy();
      throw new CommitUnanswered(ending, seat.facts, error);
    }
    // Refused, and rolled back with that; where it was not, the end of the connection does it.
    if (!isConflict(error)) seat.destroy();
    throw error;
  }
}

async function afterLostCommit<T>(
  pool: Pool<Seat>,
  where: string,
  { ending, facts, cause }: CommitUnanswered<T>,
): Promise<T> {
  const found = ending.landed === undefined ? 'unknown' : await lookForCommit(pool, ending.landed, facts);
  if (found === 'yes') return ending.value;
  const words =
    found === 'no'
      ? 'the connection broke before the change was made; it was not made: try again'
      : 'the connection broke while the change was made. Whether it was made is not known: look before you repeat it';
  throw new DatabaseUnavailable('unreachable', `${where}: ${words}`, cause);
}

async function lookForCommit(
  pool: Pool<Seat>,
  landed: NonNullable<Ending<unknown>['landed']>,
  before: ServerFacts,
): Promise<'yes' | 'no' | 'unknown'> {
  const end = performance.now() + LOOK_FOR_COMMIT_MS;
  for (;;) {
    try {
      return await onSeat(pool, 'START TRANSACTION', async seat => {
        // Whoever holds this row may still be that transaction: it has ended when the row is free.
        await seat.query('SELECT id FROM site FOR UPDATE', [], WRITE_SILENCE_MS);
        const found = await landed(kyselyOn(seat, { silenceMs: READ_SILENCE_MS }));
        await rollBack(seat);
        if (found) return 'yes';
        // Another server knows nothing of what the first one still has in its hands.
        return seat.facts.serverId === before.serverId && !isCluster(seat.facts) ? 'no' : 'unknown';
      });
    } catch (error) {
      if (error instanceof PoolClosed || performance.now() > end) return 'unknown';
      await delay(LOOK_AGAIN_MS);
    }
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
