import type Database from 'better-sqlite3';

/** Entries that become pending again in one transaction: some ten milliseconds. */
const REOPENED_AT_ONCE = 2_000;

/** Somebody has doubts about the source of record. Older than every epoch. */
const IN_DOUBT = 0;

/**
 * To which epoch of the source of record entries go. What was drained into an earlier one may not be in this one: it all goes
 * again, some at a time, and is stored once by its id. The functions run inside the caller's transaction.
 */
export function prepareOutflow(handle: Database.Database) {
  const read = handle.prepare<unknown[], { epoch: number | null; reopened: number; reopenTo: number }>(
    'SELECT epoch, reopened, reopenTo FROM outflow',
  );
  const setEpoch = handle.prepare('UPDATE outflow SET epoch = ?');
  const begin = handle.prepare(
    'UPDATE outflow SET epoch = ?, reopened = 0, reopenTo = (SELECT coalesce(max(sequence), 0) FROM entries)',
  );
  const last = handle
    .prepare<unknown[], number>(
      `SELECT max(sequence) FROM (SELECT sequence FROM entries WHERE sequence > ? AND sequence <= ?
         ORDER BY sequence LIMIT ${REOPENED_AT_ONCE})`,
    )
    .pluck();
  const reopen = handle.prepare(
    'UPDATE entries SET drainedAtMs = NULL WHERE sequence > ? AND sequence <= ? AND drainedAtMs IS NOT NULL',
  );
  const advance = handle.prepare('UPDATE outflow SET reopened = ?');
  const now = () => read.get() ?? { epoch: null, reopened: 0, reopenTo: 0 };

  return {
    epoch: () => now().epoch ?? undefined,
    sendTo(epoch: number): void {
      const { epoch: before } = now();
      if (before === null) setEpoch.run(epoch);
      else if (epoch > before) begin.run(epoch);
    },
    isInDoubt: () => now().epoch === IN_DOUBT,
    doubt: () => void setEpoch.run(IN_DOUBT),
    isReopening(): boolean {
      const { epoch, reopened, reopenTo } = now();
      return epoch !== IN_DOUBT && reopened < reopenTo;
    },
    /** Some more of what goes again is pending from here on. */
    reopenSome(): void {
      const { reopened, reopenTo } = now();
      const upTo = last.get(reopened, reopenTo) ?? reopenTo;
      reopen.run(reopened, upTo);
      advance.run(upTo);
    },
  };
}
