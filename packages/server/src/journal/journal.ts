import { NO_VERSION, newestVersion, type RecordedEvent, type Version } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import type { Clock, FailureFact, Journal, RememberedLogin } from '../ports.ts';
import { openOrRebuild, type SetAside } from '../record/dialects/set-aside.ts';
import { troubleOf } from '../record/dialects/sqlite-file.ts';
import { JournalOfNewerVersion, JournalUnavailable } from './errors.ts';
import { createGroupCommit } from './group-commit.ts';
import { preparePruning } from './prune.ts';
import { createTables, JOURNAL_APPLICATION_ID, JOURNAL_FORMAT } from './tables.ts';

export type JournalEntry = Parameters<Journal['append']>[0];

export type OpenJournal = Journal & {
  /** A file that could not be used when it was opened, and was renamed; undefined: nothing. */
  readonly setAside: SetAside | undefined;
};

/**
 * Opens the server's durable queue and its memory of logins; `append` rejects with JournalUnavailable. Throws when there is
 * no room or no permission for a file at `path` (see `troubleOf`), and JournalOfNewerVersion.
 */
export function openJournal(path: string, { clock }: { readonly clock: Pick<Clock, 'nowMs'> }): OpenJournal {
  const { handle, setAside } = openOrRebuild(path, {
    applicationId: JOURNAL_APPLICATION_ID,
    create: createTables,
    // No full check: a journal may be large, and each page that can be read holds events that are nowhere else.
    check(found) {
      if (Number(found.pragma('user_version', { simple: true })) > JOURNAL_FORMAT)
        throw new JournalOfNewerVersion(path);
      return undefined;
    },
    nowMs: clock.nowMs(),
  });
  const listeners = new Set<() => void>();
  const entries = prepareEntries(handle);
  const logins = prepareLogins(handle);
  const failures = prepareFailures(handle);
  const heard = prepareHeard(handle);
  const prune = preparePruning(handle);

  const write = handle.transaction((group: readonly JournalEntry[]) => {
    const nowMs = clock.nowMs();
    let added = 0;
    for (const { events, remember, failure, granted } of group) {
      for (const event of events) added += entries.add(event);
      if (remember !== undefined) logins.remember(remember, nowMs);
      if (failure !== undefined) failures.add(failure);
      if (granted !== undefined) logins.grant(granted);
    }
    prune(nowMs);
    return added;
  });

  let pending = entries.countPending();
  const group = createGroupCommit<JournalEntry>({
    write(some) {
      pending += write(some);
    },
    concernsAll: error => troubleOf(error) !== undefined,
    onWritten() {
      for (const listener of listeners) listener();
    },
  });

  return {
    setAside,
    append: entry =>
      group.add(entry).catch(error => {
        throw new JournalUnavailable(error);
      }),
    remembered: logins.remembered,
    failures: failures.find,
    lastGrantMs: logins.lastGrantMs,
    pending: () => pending,
    next: entries.next,
    markDrained(events) {
      pending -= entries.markDrained(events, clock.nowMs());
    },
    onAppended(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    heardVersion: heard.read,
    setHeardVersion: heard.write,
    close() {
      group.flush();
      handle.close();
    },
  };
}

function prepareEntries(handle: Database.Database) {
  const insert = handle.prepare(
    'INSERT INTO entries (origin, id, event) VALUES (?, ?, ?) ON CONFLICT (origin, id) DO NOTHING',
  );
  const oldest = handle
    .prepare<unknown[], string>('SELECT event FROM entries WHERE drainedAtMs IS NULL ORDER BY sequence LIMIT ?')
    .pluck();
  const drained = handle.prepare(
    'UPDATE entries SET drainedAtMs = ? WHERE origin = ? AND id = ? AND drainedAtMs IS NULL',
  );
  const count = handle.prepare<unknown[], number>('SELECT count(*) FROM entries WHERE drainedAtMs IS NULL').pluck();
  return {
    add: (event: RecordedEvent) => insert.run(event.origin, event.id, JSON.stringify(event)).changes,
    next: (limit: number) => oldest.all(limit).map(event => JSON.parse(event) as RecordedEvent),
    countPending: () => count.get() ?? 0,
    markDrained: handle.transaction((events: readonly Pick<RecordedEvent, 'origin' | 'id'>[], nowMs: number) =>
      events.reduce((sum, { origin, id }) => sum + drained.run(nowMs, origin, id).changes, 0),
    ),
  };
}

function prepareLogins(handle: Database.Database) {
  // The first answer to a loginId stands: a repeat is given it again.
  const remember = handle.prepare(
    `INSERT INTO logins (loginId, binding, outcome, epoch, generation, retryAfterMs, atMs) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (loginId) DO NOTHING`,
  );
  const byId = handle.prepare<
    unknown[],
    { binding: string; outcome: string; epoch: number; generation: number; retryAfterMs: number | null }
  >('SELECT binding, outcome, epoch, generation, retryAfterMs FROM logins WHERE loginId = ?');
  const grant = handle.prepare(
    `INSERT INTO grants (deviceId, user, atMs) VALUES (?, ?, ?)
     ON CONFLICT (deviceId, user) DO UPDATE SET atMs = max(atMs, excluded.atMs)`,
  );
  const lastGrant = handle
    .prepare<unknown[], number>('SELECT atMs FROM grants WHERE deviceId = ? AND user = ?')
    .pluck();
  return {
    remember({ loginId, binding, outcome, subject, retryAfterMs }: RememberedLogin, nowMs: number): void {
      remember.run(loginId, binding, outcome, subject.epoch, subject.generation, retryAfterMs ?? null, nowMs);
    },
    remembered(loginId: string): RememberedLogin | undefined {
      const row = byId.get(loginId);
      if (row === undefined) return undefined;
      const { binding, outcome, epoch, generation, retryAfterMs } = row;
      const login = { loginId, binding, outcome, subject: { epoch, generation } };
      return retryAfterMs === null ? login : { ...login, retryAfterMs };
    },
    grant: ({ deviceId, user, atMs }: NonNullable<JournalEntry['granted']>) => void grant.run(deviceId, user, atMs),
    lastGrantMs: (deviceId: string, user: string) => lastGrant.get(deviceId, user),
  };
}

function prepareFailures(handle: Database.Database) {
  const add = handle.prepare(
    `INSERT INTO failures (loginId, deviceId, user, sentHash, atMs) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (deviceId, user, loginId, sentHash) DO NOTHING`,
  );
  const select = (where: string) =>
    handle.prepare<unknown[], FailureFact>(
      `SELECT loginId, deviceId, user, sentHash, atMs FROM failures WHERE ${where} AND atMs >= ? ORDER BY atMs`,
    );
  const all = select('true');
  const ofDevice = select('deviceId = ?');
  const ofUser = select('user = ?');
  const ofBoth = select('deviceId = ? AND user = ?');
  return {
    add: (fact: FailureFact) => void add.run(fact.loginId, fact.deviceId, fact.user, fact.sentHash, fact.atMs),
    find: ({ sinceMs, deviceId, user }: Parameters<Journal['failures']>[0]): readonly FailureFact[] => {
      if (deviceId !== undefined && user !== undefined) return ofBoth.all(deviceId, user, sinceMs);
      if (deviceId !== undefined) return ofDevice.all(deviceId, sinceMs);
      return user === undefined ? all.all(sinceMs) : ofUser.all(user, sinceMs);
    },
  };
}

function prepareHeard(handle: Database.Database) {
  const read = handle.prepare<unknown[], Version>('SELECT epoch, generation FROM heard');
  const write = handle.prepare('INSERT OR REPLACE INTO heard (id, epoch, generation) VALUES (1, ?, ?)');
  return {
    read: () => read.get(),
    /** What was heard once is not unheard: an older version changes nothing. */
    write(version: Version): void {
      const held = read.get() ?? NO_VERSION;
      if (newestVersion(held, version) === held) return;
      write.run(version.epoch, version.generation);
    },
  };
}
