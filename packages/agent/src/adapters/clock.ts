import { uptime } from 'node:os';
import type { Clock } from '../ports.ts';

/** Longest delay of a Node timer; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A sleep below this is nobody's business; what tells the time since boot counts in steps of 10 ms. */
const SHORTEST_SLEEP_MS = 1_000;
const MS = 1_000;

/** Linux tells the time since boot in a file: to read it for each of the thirty looks at the clock of one login is not for nothing. */
const LOOKED_AT_AGAIN_MS = 2;

/** What stands still while the machine sleeps, and what does not; both in ms, from any beginning. */
export type TimeSources = { readonly awakeMs: () => number; readonly sinceBootMs: () => number };

/** `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME` of Linux. */
const LINUX: TimeSources = { awakeMs: () => performance.now(), sinceBootMs: () => uptime() * MS };

/**
 * The time of this machine. The monotonic one counts sleep too: a session's token and a cached login age while a lid is closed.
 * Timers do not run meanwhile; who waits is woken by the watch on the host (`host-watch.ts`).
 */
export function createSystemClock({ awakeMs, sinceBootMs }: TimeSources = LINUX): Clock {
  const asleepBefore = sinceBootMs() - awakeMs();
  let sleptMs = 0;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return {
    nowMs: () => Date.now(),
    monotonicMs() {
      const now = awakeMs();
      // Whoever has slept meanwhile is told so this much later.
      if (now - lookedAtMs >= LOOKED_AT_AGAIN_MS) {
        lookedAtMs = now;
        const asleep = sinceBootMs() - now - asleepBefore;
        if (asleep - sleptMs >= SHORTEST_SLEEP_MS) sleptMs = asleep;
      }
      return now + sleptMs;
    },
    after(delayMs, action) {
      const timer = setTimeout(action, Math.min(Math.max(delayMs, 0), MAX_TIMER_MS));
      return () => clearTimeout(timer);
    },
  };
}

export const systemClock = createSystemClock();
