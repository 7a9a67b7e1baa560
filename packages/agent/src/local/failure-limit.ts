/** Failures on the open socket within the window, before everybody on it waits. */
const MAX_FAILURES = 10;
const WINDOW_MS = 60_000;
/** Wait that is told while only undecided tries fill the window. */
const UNDECIDED_WAIT_MS = 1_000;

/**
 * How fast passwords can be tried on the socket that anybody may open. Callers cannot be told apart (Node gives no peer
 * credentials), so the limit is the socket's. It counts failures alone; a try under way counts until it has succeeded, so
 * that many at once do not slip through. `control.sock` has no limit: the device and the servers count by themselves.
 */
export function createFailureLimit(nowMs: () => number) {
  let failures: readonly number[] = [];
  let underWay = 0;

  const waitMs = (): number => {
    const now = nowMs();
    failures = failures.filter(at => now - at < WINDOW_MS);
    if (failures.length + underWay < MAX_FAILURES) return 0;
    const oldest = failures[0];
    return oldest === undefined ? UNDECIDED_WAIT_MS : Math.ceil(oldest + WINDOW_MS - now);
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
