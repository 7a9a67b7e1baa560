import { ENDED_SHARED_MS, LOGIN_MEMORY_MS } from '@thinman/protocol';
import type Database from 'better-sqlite3';

const DAY_MS = 24 * 60 * 60_000;
/** Drained entries are sent again when the epoch changes (`failover.md`, invariant 2). */
export const DRAINED_KEPT_MS = 7 * DAY_MS;
/** The exemption from the limit per user (`failover.md`, Lockout). */
export const GRANTS_KEPT_MS = 7 * DAY_MS;
/** Every limit counts an hour at most; the exponential wait of (user, device) goes up to less than a day. */
export const FAILURES_KEPT_MS = DAY_MS;
/** As long as servers tell each other of them (`ENDED_SHARED_MS`): those that did not see each other for a day hear of it still. */
export const ENDED_KEPT_MS = ENDED_SHARED_MS;
/** Repeats of a login come within seconds; twice the promise, so that none is forgotten at its edge. */
export const LOGINS_KEPT_MS = 2 * LOGIN_MEMORY_MS;

/** Often enough that each round is small … */
const PRUNE_INTERVAL_MS = 60_000;
/** … and bounded all the same: 14 million rows a day, at most some milliseconds each. */
const ROWS_PER_ROUND = 10_000;

const RULES = [
  { table: 'entries', age: 'drainedAtMs', keptMs: DRAINED_KEPT_MS },
  { table: 'logins', age: 'atMs', keptMs: LOGINS_KEPT_MS },
  { table: 'failures', age: 'atMs', keptMs: FAILURES_KEPT_MS },
  { table: 'grants', age: 'atMs', keptMs: GRANTS_KEPT_MS },
  { table: 'ended', age: 'atMs', keptMs: ENDED_KEPT_MS },
] as const;

/** Forgets what is old enough, inside the caller's transaction; most calls do nothing. Pending entries are never old. */
export function preparePruning(handle: Database.Database): (nowMs: number) => void {
  const deletions = RULES.map(({ table, age, keptMs }) => ({
    keptMs,
    statement: handle.prepare(`DELETE FROM ${table} WHERE ${age} < ? LIMIT ${ROWS_PER_ROUND}`),
  }));
  let lastMs = Number.NEGATIVE_INFINITY;
  return nowMs => {
    // A clock that was set back must not stop it for as long.
    if (Math.abs(nowMs - lastMs) < PRUNE_INTERVAL_MS) return;
    lastMs = nowMs;
    for (const { keptMs, statement } of deletions) statement.run(nowMs - keptMs);
  };
}
