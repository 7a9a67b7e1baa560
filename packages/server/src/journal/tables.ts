import type Database from 'better-sqlite3';

/** "TMjn": ThinMan journal. */
export const JOURNAL_APPLICATION_ID = 0x544d6a6e;

/** Raised when the tables change. A newer file holds events that are nowhere else: it is refused, never set aside. */
export const JOURNAL_FORMAT = 1;

/**
 * `entries`: events, each once, in the order of arrival; `drainedAtMs` null = not yet in the source of record. `logins`: what
 * was answered, by loginId. `failures`: facts, each once. `grants`: the last one of each device and user. `heard`: one row.
 */
export function createTables(handle: Database.Database): void {
  handle.exec(`
    CREATE TABLE entries (
      sequence INTEGER PRIMARY KEY,
      origin TEXT NOT NULL,
      id TEXT NOT NULL,
      event TEXT NOT NULL,
      drainedAtMs INTEGER,
      UNIQUE (origin, id)
    ) STRICT;
    CREATE INDEX pending_entries ON entries (sequence) WHERE drainedAtMs IS NULL;
    CREATE INDEX drained_entries ON entries (drainedAtMs) WHERE drainedAtMs IS NOT NULL;
    CREATE TABLE logins (
      loginId TEXT NOT NULL PRIMARY KEY,
      binding TEXT NOT NULL,
      outcome TEXT NOT NULL,
      epoch INTEGER NOT NULL,
      generation INTEGER NOT NULL,
      retryAfterMs INTEGER,
      atMs INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX logins_by_age ON logins (atMs);
    CREATE TABLE failures (
      loginId TEXT NOT NULL,
      deviceId TEXT NOT NULL,
      user TEXT NOT NULL,
      sentHash TEXT NOT NULL,
      atMs INTEGER NOT NULL,
      PRIMARY KEY (deviceId, user, loginId, sentHash)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX failures_by_user ON failures (user, atMs);
    CREATE INDEX failures_by_age ON failures (atMs);
    CREATE TABLE grants (
      deviceId TEXT NOT NULL,
      user TEXT NOT NULL,
      atMs INTEGER NOT NULL,
      PRIMARY KEY (deviceId, user)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX grants_by_age ON grants (atMs);
    CREATE TABLE heard (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      epoch INTEGER NOT NULL,
      generation INTEGER NOT NULL
    ) STRICT;
    PRAGMA user_version = ${JOURNAL_FORMAT};
  `);
}
