import { DATABASE_LOST_AFTER_MS, SYNC_INTERVAL_MS } from '@thinman/protocol';
import type { Clock, Feed, Replica, ReplicaPosition, SourceOfRecord } from '../ports.ts';
import { DatabaseUnavailable } from '../record/errors.ts';

/** How the last read of the source of record went. */
export type SyncCondition = {
  /** It answered the last read, within the deadline. */
  readonly reachable: boolean;
  /** By the monotonic clock; undefined: never since this process started. */
  readonly lastAnsweredMonotonicMs: number | undefined;
  /** It lacks the commit that the replica rests on, for certain, or is another site's: the replica stays as it is, until an administrator decides. */
  readonly forked: boolean;
  readonly error: SyncError | undefined;
};
export type SyncError = {
  /** A `DatabaseTrouble`, or what else went wrong. */
  readonly code: string;
  /** For administrators. */
  readonly message: string;
  /** What was thrown, where it was no deadline. */
  readonly cause?: unknown;
};

export type Sync = {
  condition(): SyncCondition;
  /** Reads anew, after whatever was committed before this call. Never rejects; calls meanwhile share one read. */
  syncNow(): Promise<SyncCondition>;
  /** Called when `reachable`, `forked` or the error's code has changed. */
  onCondition(listener: (condition: SyncCondition) => void): () => void;
  /** Resolves when no read is under way any more. */
  stop(): Promise<void>;
};

export type SyncOptions = {
  readonly record: Pick<SourceOfRecord, 'feed'>;
  readonly replica: Pick<Replica, 'position' | 'apply'>;
  readonly clock: Clock;
  /** Pause between two reads; asked anew after each. */
  readonly intervalMs?: number | (() => number);
  /** A read without an answer for this long counts as none (it is left to end by itself: never two at once). */
  readonly deadlineMs?: number;
  /** Whether what looks like a fork is one, by a lock. Default, and where it rejects: nobody can tell but by waiting. */
  readonly isFork?: (position: ReplicaPosition) => Promise<boolean>;
  /** The replica is about to take all of `feed`: what it holds and `feed` has not goes; until this resolves it does not. */
  readonly beforeDrop?: (feed: FullFeed) => Promise<unknown>;
};

/** A node of a cluster that lags behind the one that was asked before looks like a fork, and catches up. */
export const FORK_HELD_FOR_MS = 10_000;

type FullFeed = Extract<Feed, { kind: 'full' }>;

const BEFORE_FIRST_READ: SyncCondition = {
  reachable: false,
  lastAnsweredMonotonicMs: undefined,
  forked: false,
  error: { code: 'not_read', message: 'the database has not been read yet' },
};

/** Keeps the replica up to date with its source of record. The first read is `syncNow()`, or comes after the interval. */
export function createSync(options: SyncOptions): Sync {
  const { record, replica, clock } = options;
  const { intervalMs = SYNC_INTERVAL_MS, deadlineMs = DATABASE_LOST_AFTER_MS } = options;
  const { isFork = async () => false, beforeDrop = async () => {} } = options;
  const listeners = new Set<(condition: SyncCondition) => void>();
  let condition = BEFORE_FIRST_READ;
  let reading: Promise<void> | undefined;
  let following: Promise<SyncCondition> | undefined;
  let stopped = false;
  let cancelPoll = () => {};
  let looksForkedSinceMs: number | undefined;
  const pauseMs = () => (typeof intervalMs === 'number' ? intervalMs : intervalMs());

  function become(next: SyncCondition): void {
    const before = condition;
    condition = next;
    const same =
      before.reachable === next.reachable && before.forked === next.forked && before.error?.code === next.error?.code;
    if (!same) for (const listener of listeners) listener(next);
  }

  const unreachable = (error: SyncError) => become({ ...condition, reachable: false, error });

  async function judge(feed: Feed): Promise<boolean> {
    if (feed.kind !== 'forked') {
      looksForkedSinceMs = undefined;
      return false;
    }
    const nowMs = clock.monotonicMs();
    looksForkedSinceMs ??= nowMs;
    if (condition.forked || nowMs - looksForkedSinceMs > FORK_HELD_FOR_MS) return true;
    const position = replica.position();
    return position !== undefined && isFork(position).catch(() => false);
  }

  async function answered(feed: Feed): Promise<void> {
    const at = { reachable: true, lastAnsweredMonotonicMs: clock.monotonicMs() } as const;
    let { forked } = condition;
    try {
      const judged = await judge(feed);
      forked ||= judged;
      if (feed.kind === 'full') await beforeDrop(feed);
      if (stopped) return;
      replica.apply(feed);
      become({ ...at, forked: judged, error: undefined });
    } catch (error) {
      const message = `the replica did not take it: ${error instanceof Error ? error.message : String(error)}`;
      // A known fork is over when its end was taken.
      become({ ...at, forked, error: { code: 'replica_failed', message } });
    }
  }

  /** Settles when the read has, however late: an answer is an answer, and a hung database gets one question, not many. */
  async function read(): Promise<void> {
    const late = { code: 'unreachable', message: `the database has not answered within ${deadlineMs} ms` };
    const cancelDeadline = clock.after(deadlineMs, () => unreachable(late));
    try {
      const feed = await record.feed(replica.position());
      if (!stopped) await answered(feed);
    } catch (error) {
      unreachable(explain(error));
    } finally {
      cancelDeadline();
    }
  }

  function start(): Promise<void> {
    cancelPoll();
    reading ??= read().finally(() => {
      reading = undefined;
      if (!stopped) cancelPoll = clock.after(pauseMs(), () => void start());
    });
    return reading;
  }

  /** A read under way may have taken its snapshot before the commit that the caller wants to see. */
  async function readAnew(): Promise<SyncCondition> {
    await (reading && withinDeadline(reading));
    // From here on the read may miss what is committed: who asks now waits for the one after it.
    following = undefined;
    if (!stopped && reading === undefined) await withinDeadline(start());
    return condition;
  }

  function withinDeadline(work: Promise<void>): Promise<void> {
    return new Promise(resolve => {
      const cancel = clock.after(deadlineMs, resolve);
      work.finally(() => {
        cancel();
        resolve();
      });
    });
  }

  cancelPoll = clock.after(pauseMs(), () => void start());

  return {
    condition: () => condition,
    syncNow() {
      following ??= readAnew();
      return following;
    },
    onCondition(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      stopped = true;
      cancelPoll();
      await reading;
    },
  };
}

function explain(error: unknown): SyncError {
  if (error instanceof DatabaseUnavailable) return { code: error.trouble, message: error.message, cause: error };
  return { code: 'failed', message: error instanceof Error ? error.message : String(error) };
}
