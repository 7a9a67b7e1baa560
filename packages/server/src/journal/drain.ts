import { LINK_DRAIN_EVENTS, MAX_FRAME_BYTES, type RecordedEvent } from '@thinman/protocol';
import type { Clock, Journal } from '../ports.ts';

/** First wait after a refusal: shorter than a person notices in a list of events; doubled up to the longest. */
const RETRY_FIRST_MS = 250;
/** A database that comes back waits this long at most. */
const RETRY_LONGEST_MS = 10_000;
/** Waits are spread by ± 20 %, so that Secondaries that lost their Primary together do not come back together. */
const RETRY_SPREAD = 0.2;
/** Events of one batch, as JSON: half a frame of the link, which leaves room for escapes and for what is around them. */
const BATCH_CHARS = MAX_FRAME_BYTES / 2;

/**
 * What was appended is carried on after this. A login is answered first, and does not wait until its event is in the source of
 * record as well; and what its device says of it comes within this time, for the same transaction.
 */
export const LINGER_MS = 25;
/**
 * Events of one transaction where the source of record is this server's own: a flush for three times as many as in a frame of the
 * link, and some 5 ms of SQLite, in which nobody else is answered.
 */
export const RECORD_DRAIN_EVENTS = 300;

/** `stored`: every event of the batch is durable in the source of record. `later`: perhaps not; send them again. */
export type Delivery = 'stored' | 'later';

export type DrainOptions = {
  readonly journal: Pick<Journal, 'next' | 'line' | 'markDrained' | 'pending' | 'onAppended'>;
  /** A rejection counts as `later`. Must settle: its own deadline ends a delivery that hangs. */
  readonly deliver: (events: readonly RecordedEvent[]) => Promise<Delivery>;
  readonly clock: Pick<Clock, 'after'>;
  /** A draw from [0, 1). */
  readonly random?: () => number;
  /** A delivery, or the journal itself, failed as a defect; it is tried again. For the log. */
  readonly onTrouble?: (error: unknown) => void;
  /** Asked anew for each batch. */
  readonly batchEvents?: () => number;
  readonly batchChars?: number;
  /** Resolves in another turn of the event loop, after what has come in meanwhile was looked at. */
  readonly nextTurn?: () => Promise<void>;
};

export type Drain = {
  /** Tries at once, without waiting for the next retry: the way to the source of record is open again. */
  wake(): void;
  /** Resolves when the journal is empty (true), or after `withinMs` (false). */
  flush(withinMs: number): Promise<boolean>;
  /** No delivery begins any more; resolves when none is under way. */
  stop(): Promise<void>;
};

/** Carries the journal to the source of record: oldest first, one batch at a time, again and again until it is there. */
export function createDrain(options: DrainOptions): Drain {
  const { journal, deliver, clock, random = Math.random, onTrouble = () => {} } = options;
  const { batchEvents = () => LINK_DRAIN_EVENTS, batchChars = BATCH_CHARS } = options;
  const { nextTurn = () => new Promise(resolve => setImmediate(resolve)) } = options;
  const emptied = new Set<() => void>();
  let busy = false;
  let ended: Promise<void> = Promise.resolve();
  let cancelRetry: (() => void) | undefined;
  let cancelLinger: (() => void) | undefined;
  let failures = 0;
  let woken = false;
  let appended = false;
  let stopped = false;

  /** `later` as well when the journal itself fails: what was delivered but not marked is sent again, and stored once. */
  async function deliverNext(): Promise<Delivery | 'empty'> {
    try {
      const line = journal.line();
      const batch = journal.next(batchEvents(), batchChars);
      if (batch.length === 0) return 'empty';
      if ((await deliver(batch)) === 'later') return 'later';
      journal.markDrained(batch, line);
      return 'stored';
    } catch (error) {
      onTrouble(error);
      return 'later';
    }
  }

  async function run(): Promise<void> {
    let delivery: Delivery | 'empty';
    do {
      woken = false;
      appended = false;
      delivery = await deliverNext();
      if (delivery === 'stored') {
        failures = 0;
        // The embedded source of record answers within the turn: a hundred thousand events that waited would be one of seconds.
        await nextTurn();
      }
    } while (!stopped && (delivery === 'stored' || woken || (delivery === 'empty' && appended)));
    busy = false;
    if (delivery === 'later') retryLater();
    if (journal.pending() === 0) for (const tell of emptied) tell();
  }

  function retryLater(): void {
    if (stopped) return;
    const waitMs = Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_LONGEST_MS);
    failures++;
    cancelRetry = clock.after(waitMs * (1 + RETRY_SPREAD * (2 * random() - 1)), start);
  }

  function start(): void {
    cancelRetry?.();
    cancelRetry = undefined;
    cancelLinger?.();
    cancelLinger = undefined;
    if (stopped || busy) return;
    busy = true;
    ended = run();
  }

  /** A delivery under way may have begun before the way was open, or the entry was there: then it is tried once more. */
  function wake(): void {
    woken = true;
    start();
  }

  // An append does not shorten a wait: with the database away, every login would try it.
  const forget = journal.onAppended(() => {
    appended = true;
    if (cancelRetry === undefined && !busy) cancelLinger ??= clock.after(LINGER_MS, start);
  });
  start();

  return {
    wake,
    flush(withinMs) {
      if (journal.pending() === 0) return Promise.resolve(true);
      return new Promise(resolve => {
        const end = (empty: boolean) => {
          cancel();
          emptied.delete(done);
          resolve(empty);
        };
        const done = () => end(true);
        const cancel = clock.after(withinMs, () => end(false));
        emptied.add(done);
        wake();
      });
    },
    async stop() {
      stopped = true;
      forget();
      cancelRetry?.();
      cancelLinger?.();
      await ended;
    },
  };
}
