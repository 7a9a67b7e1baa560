/** Failures on the open socket within the window, before everybody on it waits. */
const MAX_FAILURES = 10;
const WINDOW_MS = 60_000;
const HOUR_MS = 60 * 60_000;
/**
 * Failures within an hour on a socket that people other than the one at the screen may open. Servers let a device fail 30 times and with 20
 * names an hour, then nobody logs in on it: half of that is left to the screen, whatever is tried here.
 */
export const MAX_FAILURES_AN_HOUR = 15;
/** Wait that is told while only undecided tries fill the window. */
const UNDECIDED_WAIT_MS = 1_000;

/**
 * How fast passwords can be tried on the socket that anybody may open. Callers cannot be told apart (Node gives no peer
 * credentials), so the limit is the socket's. It counts failures alone; a try under way counts until it has succeeded, so
 * that many at once do not slip through. `control.sock` has no limit: the device and the servers count by themselves.
 */
export function createFailureLimit(nowMs: () => number, maxAnHour = Number.POSITIVE_INFINITY) {
  let failures: readonly number[] = [];
  let underWay = 0;

  const within = (windowMs: number, max: number): number => {
    const now = nowMs();
    const counted = failures.filter(at => now - at < windowMs);
    if (counted.length + underWay < max) return 0;
    // So many of the oldest must be over that there is room for one more.
    const last = counted[counted.length + underWay - max] ?? counted.at(-1);
    return last === undefined ? UNDECIDED_WAIT_MS : Math.ceil(last + windowMs - now);
  };
  const waitMs = (): number => {
    failures = failures.filter(at => nowMs() - at < HOUR_MS);
    return Math.max(within(WINDOW_MS, MAX_FAILURES), within(HOUR_MS, maxAnHour));
  };

  return {
    /** Runs one try, or answers how many milliseconds to wait first. */
    async attempt<T>(
      run: () => Promise<T>,
      failed: (result: T) => boolean,
    ): Promise<{ result: T } | { waitMs: number }> {
      const wait = waitMs();
      if (wait > 0) return { waitMs: wait };
      underWay += 1;
      try {
        const result = await run();
        if (failed(result)) failures = [...failures, nowMs()];
        return { result };
      } finally {
        underWay -= 1;
      }
    },
  };
}
