import type { EndedSession, FailureFact, GrantFact, Journal, JournalEntry } from '../ports.ts';

/** Some 30 MB: hours of logins. Beyond, the oldest go: a repeat of such a login is decided anew, under the same id of its event. */
const MAX_KEPT = 100_000;

/** What a journal would have kept beside the events, while it takes nothing. It is lost with the process. */
export type KeptInMemory = Pick<Journal, 'remembered' | 'failures' | 'lastGrantMs' | 'knowsFailure' | 'isEnded'> & {
  keep(entry: Omit<JournalEntry, 'events'>): void;
  /** The oldest, as entries for the journal that works again. They stay until `forget`. */
  oldest(limit: number): readonly JournalEntry[];
  forget(entries: readonly JournalEntry[]): void;
};

export function keepInMemory(): KeptInMemory {
  /** Each with one thing in it, by what that is about. */
  const kept = new Map<string, JournalEntry>();

  function put(entry: JournalEntry): void {
    const key = keyOf(entry);
    const held = kept.get(key);
    // As in the journal: the first answer and the first telling of a failure stand, and the last grant.
    if (held !== undefined && (grantIn(held)?.atMs ?? 0) >= (grantIn(entry)?.atMs ?? 0)) return;
    kept.set(key, entry);
    const [oldest] = kept.keys();
    if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
  }

  return {
    keep({ remember, failure, granted, ended = [], heard }) {
      if (remember !== undefined) put({ events: [], remember });
      if (failure !== undefined) put({ events: [], failure });
      if (granted !== undefined) put({ events: [], granted });
      for (const session of ended) put({ events: [], ended: [session] });
      if (heard === undefined) return;
      const { from } = heard;
      for (const fact of heard.failures) put({ events: [], heard: { from, failures: [fact], grants: [] } });
      for (const fact of heard.grants) put({ events: [], heard: { from, failures: [], grants: [fact] } });
      for (const session of heard.ended ?? []) {
        put({ events: [], heard: { from, failures: [], grants: [], ended: [session] } });
      }
    },
    isEnded: loginId => kept.has(endedKey(loginId)),
    remembered: loginId => kept.get(loginKey(loginId))?.remember,
    failures: ({ sinceMs, deviceId, user }) =>
      [...kept.values()]
        .flatMap(entry => failureIn(entry) ?? [])
        .filter(fact => fact.atMs >= sinceMs)
        .filter(fact => deviceId === undefined || fact.deviceId === deviceId)
        .filter(fact => user === undefined || fact.user === user),
    lastGrantMs(deviceId, user) {
      const entry = kept.get(grantKey({ deviceId, user }));
      return entry && grantIn(entry)?.atMs;
    },
    knowsFailure: fact => kept.has(failureKey(fact)),
    oldest: limit => [...kept.values()].slice(0, limit),
    forget(entries) {
      for (const entry of entries) if (kept.get(keyOf(entry)) === entry) kept.delete(keyOf(entry));
    },
  };
}

const failureIn = ({ failure, heard }: JournalEntry): FailureFact | undefined => failure ?? heard?.failures[0];
const grantIn = ({ granted, heard }: JournalEntry): GrantFact | undefined => granted ?? heard?.grants[0];

const endIn = ({ ended, heard }: JournalEntry): EndedSession | undefined => ended?.[0] ?? heard?.ended?.[0];

function keyOf(entry: JournalEntry): string {
  const [failure, grant, end] = [failureIn(entry), grantIn(entry), endIn(entry)];
  if (end !== undefined) return endedKey(end.loginId);
  if (failure !== undefined) return failureKey(failure);
  return grant === undefined ? loginKey(entry.remember?.loginId) : grantKey(grant);
}

const loginKey = (loginId: string | undefined) => JSON.stringify(['login', loginId]);
const endedKey = (loginId: string) => JSON.stringify(['ended', loginId]);
const failureKey = ({ deviceId, user, loginId, sentHash }: FailureFact) =>
  JSON.stringify(['failure', deviceId, user, loginId, sentHash]);
const grantKey = ({ deviceId, user }: Pick<GrantFact, 'deviceId' | 'user'>) =>
  JSON.stringify(['grant', deviceId, user]);
