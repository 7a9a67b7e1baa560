/**
 * A password that is not taken is told at a multiple of this after it was asked about, whoever it was (ADR 0085). Longer than any healthy
 * directory needs for a name that it has and less for one that it has not: Active Directory 3 ms more (Samba, measured), a directory
 * that stores Argon2 or PBKDF2 some 130 ms. Shorter than the 300 ms after which a device looks for signs of life, and with
 * `LOGIN_MS` of the directory well within the 4 s of a login.
 */
export const ANSWER_STEP_MS = 250;

type Timing = { after(delayMs: number, action: () => void): () => void };

/**
 * What `work` answers; where `isTold` says so, not before the next beat of a clock that began with the work. The beat is set before the
 * work begins, so that no rest is computed from how long it took.
 */
export async function onTheBeat<T>(
  work: () => Promise<T>,
  isTold: (value: T) => boolean,
  timing: Timing,
  stepMs = ANSWER_STEP_MS,
): Promise<T> {
  let next = Promise.withResolvers<void>();
  let stop = () => {};
  const beat = () => {
    next.resolve();
    next = Promise.withResolvers<void>();
    stop = timing.after(stepMs, beat);
  };
  stop = timing.after(stepMs, beat);
  try {
    const value = await work();
    if (isTold(value)) await next.promise;
    return value;
  } finally {
    stop();
  }
}
