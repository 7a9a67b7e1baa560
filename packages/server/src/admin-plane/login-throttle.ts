import type { Clock } from '../ports.ts';

/** Failures that cost nothing: a mistyped password, caps lock, the old one. One (name, address); one address; one name. */
const FREE_FAILURES = { pair: 5, address: 20, name: 50 } as const;
/** Then the wait: doubling with every failure … */
const FIRST_WAIT_MS = 1_000;
/** … up to this. */
const MAX_WAIT_MS = 5 * 60_000;
/** Failures are forgotten after so long without one. */
const FORGET_AFTER_MS = 15 * 60_000;
/** Counters held at once; beyond it the oldest are forgotten (an attacker with that many addresses has other ways). */
const MAX_COUNTERS = 10_000;

type Counter = { readonly failures: number; readonly lastMs: number };

/**
 * Slows down guessing of administrators' passwords. Counted for the pair of name and address first, so that a stranger
 * does not lock the administrator out from where the administrator sits.
 */
export type LoginThrottle = {
  /** Milliseconds until this may be tried; 0 = now. */
  waitMs(name: string, address: string): number;
  failed(name: string, address: string): void;
  /** Takes back what was counted before the password was found right; the pair begins anew. */
  succeeded(name: string, address: string): void;
};

export function createLoginThrottle(clock: Pick<Clock, 'monotonicMs'>): LoginThrottle {
  const counters = new Map<string, Counter>();
  const keysOf = (name: string, address: string) =>
    [
      { key: `pair ${address} ${name}`, free: FREE_FAILURES.pair },
      { key: `address ${address}`, free: FREE_FAILURES.address },
      { key: `name ${name}`, free: FREE_FAILURES.name },
    ] as const;
  const live = (key: string): Counter | undefined => {
    const counter = counters.get(key);
    return counter !== undefined && clock.monotonicMs() - counter.lastMs < FORGET_AFTER_MS ? counter : undefined;
  };

  return {
    waitMs(name, address) {
      const waits = keysOf(name, address).map(({ key, free }) => {
        const counter = live(key);
        if (counter === undefined || counter.failures < free) return 0;
        const wait = Math.min(FIRST_WAIT_MS * 2 ** (counter.failures - free), MAX_WAIT_MS);
        return counter.lastMs + wait - clock.monotonicMs();
      });
      return Math.max(0, ...waits);
    },
    failed(name, address) {
      for (const { key } of keysOf(name, address)) {
        const failures = (live(key)?.failures ?? 0) + 1;
        counters.delete(key);
        counters.set(key, { failures, lastMs: clock.monotonicMs() });
        const oldest = counters.keys().next().value;
        if (counters.size > MAX_COUNTERS && oldest !== undefined) counters.delete(oldest);
      }
    },
    succeeded(name, address) {
      for (const { key } of keysOf(name, address)) {
        const counter = counters.get(key);
        if (counter === undefined) continue;
        if (key.startsWith('pair ') || counter.failures <= 1) counters.delete(key);
        else counters.set(key, { ...counter, failures: counter.failures - 1 });
      }
    },
  };
}
