import {
  isWithinHours,
  isWithinWeekHours,
  msUntilWithinHours,
  msUntilWithinWeekHours,
  type OfflineCode,
  type OfflineRules,
} from '@thinman/protocol';
import type { OfflineFailures, Tombstone } from '../ports.ts';
import { doubling } from './backoff.ts';
import { emergencyRules } from './emergency.ts';

/** Longest wait after wrong passwords: doubling ends here, so that a forgotten device is not lost for weeks. */
export const MAX_OFFLINE_WAIT_MS = 24 * 60 * 60_000;

/** All that the decision rests on, read at the time of the decision. */
export type OfflineFacts = {
  /** undefined: no login of this user is cached. */
  readonly cached: { readonly rules: OfflineRules; readonly lastOnlineMs: number } | undefined;
  /** The store was damaged, or could not be read or written. */
  readonly cacheDamaged: boolean;
  readonly tombstone: Tombstone | undefined;
  readonly failures: OfflineFailures;
  /** Unix ms by the clock rule; undefined: the clock went back. */
  readonly trustedNowMs: number | undefined;
  /** A code of the helpdesk is in force (ADR 0058): the device's own clock, right or wrong. */
  readonly emergency?: { readonly nowMs: number } | undefined;
};

export type OfflineDecision =
  /** The cached row may be opened with the typed password, after a failure has been counted. */
  | { readonly kind: 'may_open' }
  | {
      readonly kind: 'denied';
      readonly code: OfflineCode | 'not_permitted';
      readonly retryAfterMs: number | undefined;
    };

/**
 * May this user try an offline login now (`failover.md`, "Offline login", conditions 1 to 6)? Condition 7, the row's
 * authentication tag, is checked by opening it. `finalAnswerSeen`: a server decided this login already.
 */
export function decideOffline(facts: OfflineFacts, finalAnswerSeen: boolean): OfflineDecision {
  const { cached, tombstone, failures, trustedNowMs: now } = facts;
  if (finalAnswerSeen || tombstone !== undefined) return denied('offline_not_allowed');
  if (cached === undefined) return denied(facts.cacheDamaged ? 'cache_damaged' : 'no_cached_login');
  const { rules, lastOnlineMs } = cached;
  if (!rules.allowed) return denied('offline_not_allowed');
  if (facts.emergency !== undefined) {
    if (isOutOfHours(rules, facts.emergency.nowMs)) {
      return denied('not_permitted', waitForHours(rules, facts.emergency.nowMs));
    }
    const waitMs = remainingWaitMs(failures, emergencyRules(rules), facts.emergency.nowMs);
    return waitMs > 0 ? denied('offline_attempts_exhausted', waitMs) : { kind: 'may_open' };
  }
  if (now === undefined) return denied('clock_went_back');
  const waitMs = remainingWaitMs(failures, rules, now);
  if (waitMs > 0) return denied('offline_attempts_exhausted', waitMs);
  if (now < lastOnlineMs - rules.graceMs) return denied('clock_went_back');
  if (now > lastOnlineMs + rules.maxAgeMs) return denied('cached_login_expired');
  if (isOutOfHours(rules, now)) return denied('not_permitted', waitForHours(rules, now));
  return { kind: 'may_open' };
}

/** An emergency code lifts what a lost server makes hard, not what an administrator, here or of the directory, has said of the hours. */
function isOutOfHours({ hours, directoryHours }: OfflineRules, nowMs: number): boolean {
  if (directoryHours !== undefined && !isWithinWeekHours(directoryHours, nowMs)) return true;
  return hours !== undefined && !isWithinHours(hours, nowMs);
}

/** Until both let the user in, where one can be waited for after the other; undefined: it cannot be told. */
function waitForHours(rules: OfflineRules, nowMs: number): number | undefined {
  const { hours, directoryHours } = rules;
  const waits = [
    hours === undefined ? 0 : msUntilWithinHours(hours, nowMs),
    directoryHours === undefined ? 0 : msUntilWithinWeekHours(directoryHours, nowMs),
  ];
  const longest = Math.max(...waits.map(waitMs => waitMs ?? Number.NaN));
  return Number.isNaN(longest) || isOutOfHours(rules, nowMs + longest) ? undefined : longest;
}

/** How long the user must still wait after wrong passwords, in whole ms; 0: not at all. */
export function remainingWaitMs(failures: OfflineFailures, rules: OfflineRules, nowMs: number): number {
  if (failures.count < rules.maxFailures) return 0;
  const waitMs = doubling(failures.count - rules.maxFailures + 1, rules.waitMs, MAX_OFFLINE_WAIT_MS);
  // A failure "in the future" is a clock that was set back: at most the whole wait, never more.
  return Math.max(0, Math.ceil(Math.min(waitMs, failures.lastMs + waitMs - nowMs)));
}

function denied(code: OfflineCode | 'not_permitted', retryAfterMs?: number): OfflineDecision {
  return { kind: 'denied', code, retryAfterMs };
}
