import {
  EMERGENCY_CHALLENGE_MS,
  EMERGENCY_MAX_FAILURES,
  EMERGENCY_TRIES,
  type EmergencyHours,
  type OfflineRules,
} from '@thinman/protocol';

/** A call to the helpdesk that is open, or what it came to; of one user on this device, on the disk. Unix ms by the device's clock. */
export type Emergency =
  | { readonly kind: 'challenge'; readonly challenge: string; readonly askedMs: number; readonly triesLeft: number }
  | {
      readonly kind: 'granted';
      readonly hours: EmergencyHours;
      readonly fromMs: number;
      readonly untilMs: number;
    };

const HOUR_MS = 60 * 60_000;
/** What a clock may be set back by NTP without ending anything. */
const CLOCK_STEP_MS = 5 * 60_000;

/** The challenge that is open; undefined: a new one is due. */
export function openChallenge(
  emergency: Emergency | undefined,
  nowMs: number,
): Extract<Emergency, { kind: 'challenge' }> | undefined {
  if (emergency?.kind !== 'challenge' || emergency.triesLeft === 0) return undefined;
  const { askedMs } = emergency;
  // A clock that stands before it was set back: nobody knows how old the challenge is.
  return within(nowMs, askedMs, askedMs + EMERGENCY_CHALLENGE_MS) ? emergency : undefined;
}

export function newChallenge(challenge: string, nowMs: number): Emergency {
  return { kind: 'challenge', challenge, askedMs: nowMs, triesLeft: EMERGENCY_TRIES };
}

/** To the disk before the code is looked at: a kill gives no try back. */
export function countedTry(open: Extract<Emergency, { kind: 'challenge' }>): Emergency {
  return { ...open, triesLeft: open.triesLeft - 1 };
}

/** The challenge is used up with it. */
export function granted(hours: EmergencyHours, nowMs: number): Emergency {
  return { kind: 'granted', hours, fromMs: nowMs, untilMs: nowMs + hours * HOUR_MS };
}

export function isGranted(emergency: Emergency | undefined, nowMs: number): boolean {
  return emergency?.kind === 'granted' && within(nowMs, emergency.fromMs, emergency.untilMs);
}

/** After a login by it: a clock that is set back does not lengthen it. */
export function usedAt(emergency: Emergency, nowMs: number): Emergency {
  return emergency.kind === 'granted' ? { ...emergency, fromMs: Math.max(emergency.fromMs, nowMs) } : emergency;
}

/** No age, and a count of wrong passwords of its own, without waits between them. */
export function emergencyRules(rules: OfflineRules): OfflineRules {
  return { ...rules, maxFailures: EMERGENCY_MAX_FAILURES };
}

function within(nowMs: number, fromMs: number, untilMs: number): boolean {
  return nowMs >= fromMs - CLOCK_STEP_MS && nowMs <= untilMs;
}
