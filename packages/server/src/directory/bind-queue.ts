/** Binds at once: an AD controller answers one in some 10 ms, so that 16 keep it busy and leave room for others. */
const CONCURRENT = 16;
/** Logins that may wait behind them: at 20 ms a login 128 are through within 200 ms, a slow directory is stopped by the time below. */
const MAX_WAITING = 128;
/** Who has waited so long is sent away: of a device's 4 s a login needs the rest. */
const MAX_WAIT_MS = 1_000;
/** To come back after this long at least. */
const MIN_RETRY_MS = 500;

export type Turn<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number };

/** A bounded queue before a directory: above it `overloaded`, before anybody's deadline is missed. */
export type BindQueue = { run<T>(work: () => Promise<T>): Promise<Turn<T>>; readonly waiting: number };

type Timing = { monotonicMs(): number; after(delayMs: number, action: () => void): () => void };

export function createBindQueue(
  timing: Timing,
  limits = { concurrent: CONCURRENT, maxWaiting: MAX_WAITING, maxWaitMs: MAX_WAIT_MS },
): BindQueue {
  const waiting = new Set<() => void>();
  let running = 0;
  /** Of the last logins, smoothed. */
  let tookMs = 0;

  const retryAfterMs = () =>
    Math.round(Math.max(MIN_RETRY_MS, ((waiting.size + running) * tookMs) / limits.concurrent));

  function next(): void {
    const [start] = waiting;
    if (start === undefined || running >= limits.concurrent) return;
    waiting.delete(start);
    start();
  }

  async function work<T>(task: () => Promise<T>): Promise<Turn<T>> {
    running += 1;
    const beganMs = timing.monotonicMs();
    try {
      return { kind: 'done', value: await task() };
    } finally {
      tookMs = tookMs * 0.9 + (timing.monotonicMs() - beganMs) * 0.1;
      running -= 1;
      next();
    }
  }

  return {
    get waiting() {
      return waiting.size;
    },
    run(task) {
      if (running < limits.concurrent) return work(task);
      if (waiting.size >= limits.maxWaiting) {
        return Promise.resolve({ kind: 'overloaded', retryAfterMs: retryAfterMs() });
      }
      return new Promise((resolve, reject) => {
        const start = () => {
          stop();
          work(task).then(resolve, reject);
        };
        const stop = timing.after(limits.maxWaitMs, () => {
          waiting.delete(start);
          resolve({ kind: 'overloaded', retryAfterMs: retryAfterMs() });
        });
        waiting.add(start);
      });
    },
  };
}
