import { DEFAULT_LOCKOUT_LIMITS, decideLockout, type LockoutDecision } from '../core/lockout.ts';
import type { Clock, FailureFact, Journal } from '../ports.ts';

/** Who may try: failures out of the journal, and names that a device asked about, in memory. */
export type LoginGuard = {
  /** `also`: other names under which the same person's failures are written down. */
  decide(deviceId: string, user: string, unlockedAt: string | undefined, also?: readonly string[]): LockoutDecision;
  /**
   * Where this person is refused now because of failures: on devices that have failures of theirs, and (`deviceId` null) on those that
   * have none and no grant of the last days.
   */
  lockouts(user: string, unlockedAt: string | undefined, also?: readonly string[]): readonly Lockout[];
  /** The device learnt the salt that this name has. */
  asked(deviceId: string, user: string): void;
  granted(deviceId: string, user: string): void;
  /** What was asked about under this name is written down under another one: it is one name. */
  renamed(deviceId: string, user: string): void;
  /**
   * A failure on its way to the disk counts from now on: a hundred guesses sent at once are a hundred guesses. Returns
   * what to call when it is in the journal.
   */
  counting(fact: FailureFact): () => void;
  /**
   * A password on its way to a directory may be a failure: until its answer is here it counts as one, on its device alone, as people
   * share an account on many. Returns what to call with the answer.
   */
  trying(fact: FailureFact): () => void;
};

export type Lockout = {
  readonly deviceId: string | null;
  readonly code: Exclude<LockoutDecision['kind'], 'open'>;
  readonly untilMs: number;
};

/** Is nobody's id. */
const NO_DEVICE = '';

type GuardDeps = { readonly journal: Pick<Journal, 'failures' | 'lastGrantMs'>; readonly clock: Pick<Clock, 'nowMs'> };

export function createLoginGuard({ journal, clock }: GuardDeps, limits = DEFAULT_LOCKOUT_LIMITS): LoginGuard {
  // At most `namesPerDevice` names of each device that asked within the window.
  const askedByDevice = new Map<string, Map<string, number>>();

  const underway = new Set<FailureFact>();
  const tried = new Set<FailureFact>();

  const recentlyAsked = (deviceId: string, nowMs: number) => {
    const names = askedByDevice.get(deviceId) ?? new Map<string, number>();
    for (const [user, atMs] of names) if (atMs <= nowMs - limits.windowMs) names.delete(user);
    if (names.size === 0) askedByDevice.delete(deviceId);
    return names;
  };

  const self: LoginGuard = {
    lockouts(user, unlockedAt, also = []) {
      const nowMs = clock.nowMs();
      const sinceMs = nowMs - limits.pairWindowMs;
      const failures = [user, ...also].flatMap(name => journal.failures({ sinceMs, user: name }));
      const devices = new Set([...failures.map(({ deviceId }) => deviceId), NO_DEVICE]);
      return [...devices].flatMap(deviceId => {
        const decision = self.decide(deviceId, user, unlockedAt, also);
        if (decision.kind === 'open') return [];
        const where = deviceId === NO_DEVICE ? null : deviceId;
        return { deviceId: where, code: decision.kind, untilMs: nowMs + decision.retryAfterMs };
      });
    },
    decide(deviceId, user, unlockedAt, also = []) {
      const nowMs = clock.nowMs();
      const names = [user, ...also];
      const asOne = <F extends { readonly user: string }>(fact: F): F =>
        also.includes(fact.user) ? { ...fact, user } : fact;
      const grants = names.flatMap(name => journal.lastGrantMs(deviceId, name) ?? []);
      return decideLockout(
        {
          nowMs,
          deviceId,
          user,
          onDevice: [
            ...journal.failures({ sinceMs: nowMs - limits.pairWindowMs, deviceId }),
            ...[...underway, ...tried].filter(fact => fact.deviceId === deviceId),
          ].map(asOne),
          ofUser: [
            ...names.flatMap(name => journal.failures({ sinceMs: nowMs - limits.windowMs, user: name })),
            ...[...underway].filter(fact => names.includes(fact.user)),
          ].map(asOne),
          askedNames: Array.from(recentlyAsked(deviceId, nowMs), ([name, atMs]) => asOne({ user: name, atMs })),
          lastGrantMs: grants.length === 0 ? undefined : Math.max(...grants),
          unlockedAtMs: unlockedAt === undefined ? undefined : Date.parse(unlockedAt),
        },
        limits,
      );
    },
    asked(deviceId, user) {
      const nowMs = clock.nowMs();
      const names = recentlyAsked(deviceId, nowMs);
      names.set(user, nowMs);
      askedByDevice.set(deviceId, names);
    },
    granted: (deviceId, user) => void askedByDevice.get(deviceId)?.delete(user),
    renamed: (deviceId, user) => void askedByDevice.get(deviceId)?.delete(user),
    counting(fact) {
      underway.add(fact);
      return () => void underway.delete(fact);
    },
    trying(fact) {
      tried.add(fact);
      return () => void tried.delete(fact);
    },
  };
  return self;
}
