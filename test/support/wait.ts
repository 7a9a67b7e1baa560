import { setTimeout as delay } from 'node:timers/promises';

/** How often a condition is looked at: a fifth of the shortest interval that the shortened timings hold. */
const POLL_INTERVAL_MS = 20;
/** Generous, for a loaded machine with two cores: what is right comes long before. */
export const PATIENCE_MS = 20_000;

/**
 * Looks at the real thing until it is as wanted, and gives back what was found. Throws when it is not so within
 * `withinMs`, saying what was seen last.
 */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  withinMs: number = PATIENCE_MS,
  lastSeen: () => string = () => '',
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms in vain for ${what}. ${lastSeen()}`.trim());
    await delay(POLL_INTERVAL_MS);
  }
}
