import type { Clock } from '../ports.ts';

/** Resolves when `work` has settled (true), or after `deadlineMs` (false; `work` is left to end by itself). Never rejects. */
export function withinDeadline(
  clock: Pick<Clock, 'after'>,
  work: Promise<unknown>,
  deadlineMs: number,
): Promise<boolean> {
  return new Promise(resolve => {
    const cancel = clock.after(deadlineMs, () => resolve(false));
    const done = () => {
      cancel();
      resolve(true);
    };
    work.then(done, done);
  });
}
