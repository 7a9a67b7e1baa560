/** As the agent's own (`failover.md`): 5 s after a failure, doubling to 300 s, ± 20 %; a probe in the background closes it. */
const FIRST_MS = 5_000;
const LONGEST_MS = 300_000;
const SPREAD = 0.2;

/** Whether one server of a directory is asked. `untilMs`: monotonic; then it is probed. */
export type Breaker =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly failures: number; readonly untilMs: number };

export const CLOSED: Breaker = { kind: 'closed' };

/** After one more failure. `draw`: from [0, 1). */
export function opened(breaker: Breaker, nowMs: number, draw: number): Extract<Breaker, { kind: 'open' }> {
  const failures = breaker.kind === 'open' ? breaker.failures + 1 : 1;
  const waitMs = Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS) * (1 + SPREAD * (2 * draw - 1));
  return { kind: 'open', failures, untilMs: nowMs + waitMs };
}

/** In which order servers are tried: those that answer, in the order of the list; if none does, the one that is probed next, all the same. */
export function orderOf(breakers: readonly Breaker[]): readonly number[] {
  const closed = breakers.flatMap(({ kind }, at) => (kind === 'closed' ? [at] : []));
  if (closed.length > 0) return closed;
  const until = (at: number) => {
    const breaker = breakers[at];
    return breaker?.kind === 'open' ? breaker.untilMs : 0;
  };
  return breakers
    .map((_, at) => at)
    .toSorted((a, b) => until(a) - until(b))
    .slice(0, 1);
}
