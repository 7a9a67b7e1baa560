import type { ClockMark } from '../ports.ts';

/** Boots with a clock before the mark that are forgiven until a server has been heard (`failover.md`, Clock). */
export const FORGIVEN_BOOTS = 3;

/** What the device takes as the time. */
export type TrustedClock =
  /** A server's time, or the mark, and what the monotonic clock has counted since. */
  | { readonly kind: 'anchored'; readonly trustedMs: number; readonly atMonotonicMs: number }
  /** The device's own clock, which has not been seen to go back. */
  | { readonly kind: 'wall' }
  /** The device's own clock went back too often. */
  | { readonly kind: 'went_back' };

export type ClockStep = { readonly clock: TrustedClock; readonly mark: ClockMark | undefined };

/** At start. The mark given back is to be stored before anything rests on it. */
export function clockAtBoot(mark: ClockMark | undefined, wallMs: number, monotonicMs: number): ClockStep {
  if (mark === undefined || wallMs >= mark.highWaterMs) return { clock: { kind: 'wall' }, mark };
  if (mark.forgivenBoots >= FORGIVEN_BOOTS) return { clock: { kind: 'went_back' }, mark };
  return {
    clock: { kind: 'anchored', trustedMs: mark.highWaterMs, atMonotonicMs: monotonicMs },
    mark: { ...mark, forgivenBoots: mark.forgivenBoots + 1 },
  };
}

/** An authenticated answer replaces the mark, down as well as up: one jump to 2099 strands no device. */
export function clockFromServer(serverTimeMs: number, atMonotonicMs: number): ClockStep {
  return {
    clock: { kind: 'anchored', trustedMs: serverTimeMs, atMonotonicMs },
    mark: { highWaterMs: serverTimeMs, forgivenBoots: 0 },
  };
}

/** Unix ms that decisions may rest on; undefined: the clock went back, and nothing is known. */
export function trustedNow({ clock, mark }: ClockStep, wallMs: number, monotonicMs: number): number | undefined {
  switch (clock.kind) {
    case 'anchored':
      return clock.trustedMs + (monotonicMs - clock.atMonotonicMs);
    case 'wall':
      return Math.max(wallMs, mark?.highWaterMs ?? 0);
    case 'went_back':
      // Somebody has set it right meanwhile.
      return mark === undefined || wallMs >= mark.highWaterMs ? wallMs : undefined;
  }
}

/** After a grant: the clock will not be believed to stand before this. Only what was used raises the mark. */
export function raisedMark(mark: ClockMark | undefined, usedMs: number): ClockMark {
  return {
    highWaterMs: Math.max(Math.round(usedMs), mark?.highWaterMs ?? 0),
    forgivenBoots: mark?.forgivenBoots ?? 0,
  };
}
