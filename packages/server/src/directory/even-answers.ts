/**
 * A password that is not taken is told at a multiple of this after it was asked about, whoever it was (ADR 0085). Longer than any healthy
 * directory needs for a name that it has and less for one that it has not: Active Directory 3 ms more (Samba, measured), a directory
 * that stores Argon2 or PBKDF2 some 130 ms. Shorter than the 300 ms after which a device looks for signs of life, and with
 * `LOGIN_MS` of the directory well within the 4 s of a login.
 */
export const ANSWER_STEP_MS = 250;

type Timing = { after(delayMs: number, action: () => void): () => void };

/** A clock that began with a question. Its beats are set beforehand: no rest is computed from how long the work took. */
type Beat = { next(): Promise<void>; stop(): void };

function startBeat(timing: Timing, stepMs: number): Beat {
  let coming = Promise.withResolvers<void>();
  let stop = () => {};
  const beat = () => {
    coming.resolve();
    coming = Promise.withResolvers<void>();
    stop = timing.after(stepMs, beat);
  };
  stop = timing.after(stepMs, beat);
  return { next: () => coming.promise, stop: () => stop() };
}

/**
 * What `work` answers; where `isTold` says so, not before the next beat. `untilBeat`: to wait for the next one after all, once, where the
 * answer is turned into a refusal later on.
 */
export async function onTheBeat<T extends object>(
  work: () => Promise<T>,
  isTold: (value: T) => boolean,
  timing: Timing,
  stepMs = ANSWER_STEP_MS,
): Promise<T & { readonly untilBeat?: () => Promise<void> }> {
  const beat = startBeat(timing, stepMs);
  let value: T;
  try {
    value = await work();
    if (isTold(value)) await beat.next();
  } catch (error) {
    beat.stop();
    throw error;
  }
  if (isTold(value)) {
    beat.stop();
    return value;
  }
  const coming = beat.next();
  void coming.then(beat.stop);
  return { ...value, untilBeat: () => coming };
}
