import { type ClockStep, clockAtBoot, clockFromServer, raisedMark, trustedNow } from '../core/clock-rule.ts';
import type { Cache, Clock, ClockMark } from '../ports.ts';

/**
 * What the store did, or undefined where it is in trouble (full, damaged, read-only): the agent goes on without it, and a
 * decision that needs it is a denial. Defects pass through.
 */
export function unlessTrouble<T>(work: () => T): { readonly done: T } | undefined {
  try {
    return { done: work() };
  } catch (error) {
    if (error instanceof Error && error.name === 'CacheTrouble') return undefined;
    throw error;
  }
}

/** The time that decisions rest on (`failover.md`, Clock), with its mark on the disk. */
export type TrustedTime = {
  /** Unix ms; undefined: the clock went back. */
  nowMs(): number | undefined;
  heard(serverTimeMs: number, atMonotonicMs: number): void;
  /** Of a grant that rests on `nowMs`: the mark that is to be written with it. */
  used(): ClockMark | undefined;
};

/** A server's time is written down when it moves the mark by this much: not at every answer. */
const MARK_STEP_MS = 60_000;

export function createTrustedTime(clock: Clock, cache: Cache): TrustedTime {
  let step: ClockStep = clockAtBoot(cache.clockMark(), clock.nowMs(), clock.monotonicMs());
  let saved: ClockMark | undefined = cache.clockMark();
  save();

  function save(): void {
    const { mark } = step;
    if (mark === undefined) return;
    const isNear =
      saved !== undefined &&
      saved.forgivenBoots === mark.forgivenBoots &&
      Math.abs(saved.highWaterMs - mark.highWaterMs) < MARK_STEP_MS;
    if (isNear) return;
    cache.setClockMark(mark);
    saved = mark;
  }

  const nowMs = () => trustedNow(step, clock.nowMs(), clock.monotonicMs());
  return {
    nowMs,
    heard(serverTimeMs, atMonotonicMs) {
      step = clockFromServer(serverTimeMs, atMonotonicMs);
      save();
    },
    used() {
      const now = nowMs();
      if (now === undefined) return undefined;
      const mark = raisedMark(step.mark, now);
      step = { ...step, mark };
      saved = mark;
      return mark;
    },
  };
}
