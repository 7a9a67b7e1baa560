import type { Clock } from '../ports.ts';

/** Waits for somebody who may fall silent: every sign of life gives the whole time again. */
export type Silence = {
  /** A sign of life; `allowanceMs`: the next one may take so much longer. */
  broken(allowanceMs?: number): void;
  /** What `work` comes to, or `late` after too long a silence (`work` is left to end by itself). */
  orLate<T>(work: Promise<T>): Promise<T | 'late'>;
};

export function startSilence(clock: Pick<Clock, 'after'>, limitMs: number): Silence {
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  let over = false;
  let cancel = clock.after(limitMs, () => resolve('late'));
  return {
    broken(allowanceMs = 0) {
      cancel();
      if (!over) cancel = clock.after(limitMs + allowanceMs, () => resolve('late'));
    },
    async orLate(work) {
      // Whoever comes too late must not bring the process down.
      work.catch(() => {});
      try {
        return await Promise.race([work, late]);
      } finally {
        over = true;
        cancel();
      }
    },
  };
}
