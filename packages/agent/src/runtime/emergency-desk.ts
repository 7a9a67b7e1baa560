import { createHmac, randomInt, timingSafeEqual } from 'node:crypto';
import {
  EMERGENCY_CHALLENGE_DIGITS,
  EMERGENCY_CHALLENGE_MS,
  EMERGENCY_HOURS,
  type EmergencyParts,
  type ErrorCode,
  emergencyBytes,
  emergencyCode,
  type LocalEmergencyAnswer,
  readEmergencyCode,
} from '@thinman/protocol';
import { countedTry, granted, isGranted, newChallenge, openChallenge, usedAt } from '../core/emergency.ts';
import type { Context } from './context.ts';
import { unlessTrouble } from './store.ts';

/** What a call to the helpdesk comes to, on this side. */
export type EmergencyOutcome =
  | { readonly kind: 'answer'; readonly answer: LocalEmergencyAnswer }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly detail?: string };

const refused = (code: ErrorCode, detail?: string): EmergencyOutcome => ({
  kind: 'refused',
  code,
  ...(detail !== undefined && { detail }),
});

/** Codes by telephone, while no server can be reached (ADR 0058). */
export function createEmergencyDesk(context: Context) {
  const { cache, clock } = context;

  /** What a code could help this user to here; a code for nothing would be read out in vain. */
  function hindrance(user: string): EmergencyOutcome | undefined {
    const read = unlessTrouble(() => {
      const cached = cache.cachedLogin(user);
      return { cached, tombstone: cached === undefined ? undefined : cache.tombstone(cached.userId) };
    })?.done;
    if (read === undefined) return refused('cache_damaged');
    if (read.cached === undefined) return refused('no_cached_login');
    if (read.tombstone !== undefined || !read.cached.offline.allowed) return refused('offline_not_allowed');
    if (cache.deviceBundle()?.emergencyKey === undefined) {
      return refused('emergency_invalid', 'no server has given this device a key for emergency codes yet');
    }
    return undefined;
  }

  function ask(user: string): EmergencyOutcome {
    const nowMs = clock.nowMs();
    const now = cache.emergency(user);
    // Somebody who only asks does not end what was granted.
    if (now?.kind === 'granted' && isGranted(now, nowMs)) {
      return { kind: 'answer', answer: { state: 'accepted', user, hours: now.hours } };
    }
    const open = openChallenge(now, nowMs);
    const challenge = open?.challenge ?? randomChallenge();
    const held = open ?? newChallenge(challenge, nowMs);
    // On the disk before anybody reads it out: it outlives a restart.
    if (open === undefined) cache.setEmergency(user, held);
    if (held.kind !== 'challenge') throw new Error('a new challenge is none');
    const expiresInMs = Math.min(Math.max(held.askedMs + EMERGENCY_CHALLENGE_MS - nowMs, 0), EMERGENCY_CHALLENGE_MS);
    const device = cache.deviceBundle()?.device.name ?? context.identity.name;
    const { triesLeft } = held;
    return { kind: 'answer', answer: { state: 'challenge', device, user, challenge, expiresInMs, triesLeft } };
  }

  function redeem(user: string, typed: string): EmergencyOutcome {
    const nowMs = clock.nowMs();
    const open = openChallenge(cache.emergency(user), nowMs);
    if (open === undefined) return refused('emergency_invalid', 'ask for a new challenge: the last one is over');
    const code = readEmergencyCode(typed);
    // What cannot be a code was mistyped: no try is lost.
    if (code === undefined) return refused('emergency_invalid', 'a code has ten letters and digits');
    const counted = countedTry(open);
    cache.setEmergency(user, counted);
    const bundle = cache.deviceBundle();
    const key = Buffer.from(bundle?.emergencyKey ?? '', 'base64url');
    const parts = { deviceId: bundle?.device.id ?? '', user, challenge: open.challenge };
    const hours = EMERGENCY_HOURS.filter(each => isSame(code, codeFor(key, { ...parts, hours: each })))[0];
    if (hours === undefined) {
      const triesLeft = open.triesLeft - 1;
      context.record('emergency.refused', { triesLeft }, user);
      const words = triesLeft === 0 ? 'ask for a new challenge' : `${triesLeft} more tries with this challenge`;
      return refused('emergency_invalid', words);
    }
    // With its event: who is killed now has used no code that nobody hears of.
    const used = { id: context.newId(), type: 'emergency.used', at: context.nowMs(), user, data: { hours } } as const;
    cache.setEmergency(user, granted(hours, nowMs), used);
    context.dispatch({ kind: 'eventRecorded' });
    return { kind: 'answer', answer: { state: 'accepted', user, hours } };
  }

  return {
    /** Without `typed`: the challenge that is to be read out. */
    call(user: string, typed: string | undefined): EmergencyOutcome {
      const hindered = hindrance(user);
      if (hindered !== undefined) return hindered;
      const done = unlessTrouble(() => (typed === undefined ? ask(user) : redeem(user, typed)));
      return done?.done ?? refused('cache_damaged');
    },
    /** The device's clock while a code is in force for this user; else undefined. */
    inForce(user: string): { readonly nowMs: number } | undefined {
      const nowMs = clock.nowMs();
      return isGranted(unlessTrouble(() => cache.emergency(user))?.done, nowMs) ? { nowMs } : undefined;
    },
    /** A login was granted by it. */
    used(user: string): void {
      unlessTrouble(() => {
        const emergency = cache.emergency(user);
        if (emergency !== undefined) cache.setEmergency(user, usedAt(emergency, clock.nowMs()));
      });
    },
  };
}
export type EmergencyDesk = ReturnType<typeof createEmergencyDesk>;

function codeFor(key: Uint8Array, parts: EmergencyParts): string {
  return emergencyCode(createHmac('sha256', key).update(emergencyBytes(parts)).digest());
}

function isSame(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function randomChallenge(): string {
  return String(randomInt(10 ** EMERGENCY_CHALLENGE_DIGITS)).padStart(EMERGENCY_CHALLENGE_DIGITS, '0');
}
