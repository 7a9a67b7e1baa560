import type { Logger } from 'pino';
import type { Clock, SourceOfRecord } from '../ports.ts';
import { DatabaseUnavailable } from './errors.ts';

/** After the start, when devices and Secondaries have found us again. */
const FIRST_ROUND_AFTER_MS = 60_000;
/** Tombstones live for 90 days: a day more or less is nothing. */
const ROUND_EVERY_MS = 24 * 60 * 60_000;

export type CompactionWorker = {
  start(): void;
  /** Resolves when no round is under way any more. */
  stop(): Promise<void>;
};

/** Removes old tombstones from the source of record in the background: after the start, then daily, on the Primary alone. */
export function createCompactionWorker(options: {
  readonly record: Pick<SourceOfRecord, 'compact'>;
  /** As whom to write; undefined: this server is not the Primary. */
  readonly by: () => Parameters<SourceOfRecord['compact']>[0] | undefined;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
}): CompactionWorker {
  const { record, by, clock, log } = options;
  const stopping = new AbortController();
  let round: Promise<void> = Promise.resolve();
  let cancel = () => {};

  function after(delayMs: number): void {
    if (stopping.signal.aborted) return;
    cancel = clock.after(delayMs, () => {
      round = compact().finally(() => after(ROUND_EVERY_MS));
    });
  }

  async function compact(): Promise<void> {
    const primary = by();
    if (primary === undefined) return;
    try {
      const outcome = await record.compact(primary, clock.nowMs(), stopping.signal);
      if (outcome.kind !== 'compacted' || outcome.removed === 0) return;
      log.info({ removed: outcome.removed, generation: outcome.generation }, 'old tombstones were removed');
    } catch (error) {
      // Tomorrow is early enough; that the database is away has been told already.
      if (error instanceof DatabaseUnavailable) log.warn({ code: error.trouble }, 'old tombstones were not removed');
      else log.error({ err: error }, 'removing old tombstones failed');
    }
  }

  return {
    start: () => after(FIRST_ROUND_AFTER_MS),
    async stop() {
      stopping.abort();
      cancel();
      await round;
    },
  };
}
