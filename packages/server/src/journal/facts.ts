import type Database from 'better-sqlite3';
import type { EndedSession, FailureFact, GrantFact, Journal } from '../ports.ts';

/** `toldBy` of what was seen here. */
export const SEEN_HERE = '';

/** Failures, grants and ended sessions, from here and from other servers. */
export function prepareFacts(handle: Database.Database) {
  return { ...prepareFailures(handle), ...prepareGrants(handle), ...prepareEnded(handle) };
}

function prepareFailures(handle: Database.Database) {
  // The first who tells it stands: that it comes again makes it no younger.
  const add = handle.prepare(
    `INSERT INTO failures (loginId, deviceId, user, sentHash, atMs, toldBy) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (deviceId, user, loginId, sentHash) DO NOTHING`,
  );
  const select = (where: string) =>
    handle.prepare<unknown[], FailureFact>(`SELECT loginId, deviceId, user, sentHash, atMs FROM failures ${where}`);
  // Sorted here: with ORDER BY beside a parameter in the same index SQLite plans the statement anew each time it runs, five times the
  // price, and every login asks; hardly anybody has any.
  const since = (where: string) => {
    const statement = select(`WHERE ${where} AND atMs >= ?`);
    return (...values: unknown[]) => inOrder(statement.all(...values));
  };
  const all = since('true');
  const ofDevice = since('deviceId = ?');
  const ofUser = since('user = ?');
  const ofBoth = since('deviceId = ? AND user = ?');
  const known = select('WHERE deviceId = ? AND user = ? AND loginId = ? AND sentHash = ?');
  const page = select(
    `WHERE (deviceId, user, loginId, sentHash) > (?, ?, ?, ?) AND toldBy <> ? AND atMs >= ?
     ORDER BY deviceId, user, loginId, sentHash LIMIT ?`,
  );
  const keyOf = ({ deviceId, user, loginId, sentHash }: FailureFact) => [deviceId, user, loginId, sentHash];
  return {
    addFailure: (fact: FailureFact, toldBy: string) =>
      void add.run(fact.loginId, fact.deviceId, fact.user, fact.sentHash, fact.atMs, toldBy),
    failures({ sinceMs, deviceId, user }: Parameters<Journal['failures']>[0]): readonly FailureFact[] {
      if (deviceId !== undefined && user !== undefined) return ofBoth(deviceId, user, sinceMs);
      if (deviceId !== undefined) return ofDevice(deviceId, sinceMs);
      return user === undefined ? all(sinceMs) : ofUser(user, sinceMs);
    },
    knowsFailure: (fact: FailureFact) => known.get(...keyOf(fact)) !== undefined,
    failuresFor: ({ server, sinceMs, after, limit }: Parameters<Journal['failuresFor']>[0]) =>
      page.all(...(after === undefined ? ['', '', '', ''] : keyOf(after)), server, sinceMs, limit),
  };
}

const inOrder = (facts: readonly FailureFact[]) => facts.toSorted((a, b) => a.atMs - b.atMs);

function prepareGrants(handle: Database.Database) {
  // Only a later grant is news: heard again, it stays with who told it first.
  const add = handle.prepare(
    `INSERT INTO grants (deviceId, user, atMs, toldBy) VALUES (?, ?, ?, ?)
     ON CONFLICT (deviceId, user) DO UPDATE SET atMs = excluded.atMs, toldBy = excluded.toldBy WHERE excluded.atMs > atMs`,
  );
  const last = handle.prepare<unknown[], number>('SELECT atMs FROM grants WHERE deviceId = ? AND user = ?').pluck();
  const page = handle.prepare<unknown[], GrantFact>(
    `SELECT deviceId, user, atMs FROM grants WHERE (deviceId, user) > (?, ?) AND toldBy <> ? AND atMs >= ?
     ORDER BY deviceId, user LIMIT ?`,
  );
  return {
    addGrant: ({ deviceId, user, atMs }: GrantFact, toldBy: string) => void add.run(deviceId, user, atMs, toldBy),
    lastGrantMs: (deviceId: string, user: string) => last.get(deviceId, user),
    grantsFor: ({ server, sinceMs, after, limit }: Parameters<Journal['grantsFor']>[0]) =>
      page.all(after?.deviceId ?? '', after?.user ?? '', server, sinceMs, limit),
  };
}

function prepareEnded(handle: Database.Database) {
  // The first who tells it stands: that it comes again makes it no younger.
  const add = handle.prepare(
    'INSERT INTO ended (loginId, atMs, toldBy) VALUES (?, ?, ?) ON CONFLICT (loginId) DO NOTHING',
  );
  const known = handle.prepare<unknown[], number>('SELECT 1 FROM ended WHERE loginId = ?').pluck();
  const page = handle.prepare<unknown[], EndedSession>(
    'SELECT loginId, atMs FROM ended WHERE loginId > ? AND toldBy <> ? AND atMs >= ? ORDER BY loginId LIMIT ?',
  );
  return {
    addEnded: ({ loginId, atMs }: EndedSession, toldBy: string) => void add.run(loginId, atMs, toldBy),
    isEnded: (loginId: string) => known.get(loginId) !== undefined,
    endedFor: ({ server, sinceMs, after, limit }: Parameters<Journal['endedFor']>[0]) =>
      page.all(after?.loginId ?? '', server, sinceMs, limit),
  };
}
