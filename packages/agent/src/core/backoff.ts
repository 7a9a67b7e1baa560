/** How far a delay is moved at random, so that devices that failed together do not come back together (`failover.md`: ± 20 %). */
const JITTER = 0.2;

/** `ms` moved by up to ± 20 %. `draw` is from [0, 1). */
export function jittered(ms: number, draw: number): number {
  return Math.round(ms * (1 - JITTER + 2 * JITTER * draw));
}

/** The n-th delay (from 1) of a row that doubles from `firstMs` up to `maxMs`, without jitter. */
export function doubling(n: number, firstMs: number, maxMs: number): number {
  // Beyond 2^30 every row has met its maximum, and numbers stay exact.
  return Math.min(maxMs, firstMs * 2 ** Math.min(Math.max(n - 1, 0), 30));
}

/** A random part of `spreadMs`. */
export function spread(spreadMs: number, draw: number): number {
  return Math.round(spreadMs * draw);
}
