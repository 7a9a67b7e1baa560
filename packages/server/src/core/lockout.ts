import type { FailureFact } from '../ports.ts';

/** The numbers of `failover.md`, "Lockout". Times in milliseconds. */
export type LockoutLimits = {
  readonly failuresPerUserOnDevice: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  readonly pairWindowMs: number;
  readonly failuresPerDevice: number;
  readonly namesPerDevice: number;
  readonly failuresPerUser: number;
  readonly windowMs: number;
  readonly trustedDeviceMs: number;
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const DEFAULT_LOCKOUT_LIMITS: LockoutLimits = {
  /** Failures of one user on one device before it must wait: as offline. */
  failuresPerUserOnDevice: 5,
  /** The first wait, doubled by every further failure, up to the longest: about 30 guesses a day are left. */
  firstWaitMs: MINUTE_MS,
  longestWaitMs: HOUR_MS,
  /** Failures of a user on a device are forgotten after a day, or by a grant there. */
  pairWindowMs: DAY_MS,
  /** Of one device, over all names, within an hour: a ward's shift change stays far below. */
  failuresPerDevice: 30,
  namesPerDevice: 20,
  /** Of one user, over all devices, within an hour. */
  failuresPerUser: 50,
  windowMs: HOUR_MS,
  /** A device on which the user was granted within this time is never blocked by failures elsewhere. */
  trustedDeviceMs: 7 * DAY_MS,
};

/** What is known when a login, or the question how to log in, arrives. */
export type LockoutFacts = {
  readonly nowMs: number;
  readonly deviceId: string;
  readonly user: string;
  /** Failures on this device, of any user, at least of the last `pairWindowMs`. */
  readonly onDevice: readonly FailureFact[];
  /** Failures of this user, on any device, at least of the last `windowMs`. */
  readonly ofUser: readonly FailureFact[];
  /** Names that this device asked about without logging in as them (`login/begin`), with the time. */
  readonly askedNames: readonly { readonly user: string; readonly atMs: number }[];
  /** The last grant of this user on this device. */
  readonly lastGrantMs: number | undefined;
  /** The helpdesk's unlock: older failures of this user do not count. */
  readonly unlockedAtMs: number | undefined;
};

export type LockoutDecision =
  | { readonly kind: 'open' }
  /** The account, here or everywhere: `account_locked`. */
  | { readonly kind: 'account_locked'; readonly retryAfterMs: number }
  /** The device, whoever logs in: `too_many_attempts`. */
  | { readonly kind: 'too_many_attempts'; readonly retryAfterMs: number };

/** Whether this device may try this user now. Counters are sizes of sets of facts: the same fact heard twice counts once. */
export function decideLockout(facts: LockoutFacts, limits: LockoutLimits = DEFAULT_LOCKOUT_LIMITS): LockoutDecision {
  const deviceWaitMs = Math.max(deviceFailuresWait(facts, limits), namesWait(facts, limits));
  if (deviceWaitMs > 0) return { kind: 'too_many_attempts', retryAfterMs: deviceWaitMs };
  const accountWaitMs = Math.max(pairWait(facts, limits), userWait(facts, limits));
  return accountWaitMs > 0 ? { kind: 'account_locked', retryAfterMs: accountWaitMs } : { kind: 'open' };
}

/** When a device has asked about too many names: the wait, else 0. For `login/begin`, which fails nobody. */
function namesWait(facts: LockoutFacts, limits: LockoutLimits): number {
  const lastAsked = new Map<string, number>();
  for (const { user, atMs } of [...facts.onDevice, ...facts.askedNames]) {
    if (atMs > facts.nowMs - limits.windowMs) lastAsked.set(user, Math.max(atMs, lastAsked.get(user) ?? atMs));
  }
  // A name that was asked about before may go on: it teaches nothing new.
  if (lastAsked.has(facts.user)) return 0;
  return slidingWait([...lastAsked.values()], limits.namesPerDevice, limits.windowMs, facts.nowMs);
}

function deviceFailuresWait({ onDevice, nowMs }: LockoutFacts, limits: LockoutLimits): number {
  return slidingWait(timesOf(onDevice), limits.failuresPerDevice, limits.windowMs, nowMs);
}

function pairWait(facts: LockoutFacts, limits: LockoutLimits): number {
  const sinceMs = Math.max(
    facts.nowMs - limits.pairWindowMs,
    facts.unlockedAtMs ?? Number.NEGATIVE_INFINITY,
    facts.lastGrantMs ?? Number.NEGATIVE_INFINITY,
  );
  const times = timesOf(facts.onDevice.filter(({ user, atMs }) => user === facts.user && atMs > sinceMs));
  const over = times.length - limits.failuresPerUserOnDevice;
  if (over < 0) return 0;
  const waitMs = Math.min(limits.firstWaitMs * 2 ** over, limits.longestWaitMs);
  // A fact from the future (the clock went back) makes nobody wait longer than a fresh one.
  return Math.max(0, Math.min(Math.max(...times), facts.nowMs) + waitMs - facts.nowMs);
}

function userWait(facts: LockoutFacts, limits: LockoutLimits): number {
  const { nowMs, lastGrantMs, unlockedAtMs = Number.NEGATIVE_INFINITY } = facts;
  if (lastGrantMs !== undefined && lastGrantMs > nowMs - limits.trustedDeviceMs) return 0;
  const times = timesOf(facts.ofUser.filter(({ user, atMs }) => user === facts.user && atMs > unlockedAtMs));
  return slidingWait(times, limits.failuresPerUser, limits.windowMs, nowMs);
}

/** The time of each different fact: the same thing sent twice is one guess. */
function timesOf(facts: readonly FailureFact[]): number[] {
  const times = new Map<string, number>();
  for (const { deviceId, user, sentHash, atMs } of facts) {
    const key = JSON.stringify([deviceId, user, sentHash]);
    times.set(key, Math.max(atMs, times.get(key) ?? atMs));
  }
  return [...times.values()];
}

/** Until fewer than `limit` of these moments lie within the window: the wait, else 0. */
function slidingWait(times: readonly number[], limit: number, windowMs: number, nowMs: number): number {
  const inWindow = times.map(atMs => Math.min(atMs, nowMs)).filter(atMs => atMs > nowMs - windowMs);
  if (inWindow.length < limit) return 0;
  const leaves = inWindow.sort((a, b) => a - b)[inWindow.length - limit] ?? nowMs;
  return leaves + windowMs - nowMs;
}
