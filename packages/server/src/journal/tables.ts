import type Database from 'better-sqlite3';

/** "TMjn": ThinMan journal. */
export const JOURNAL_APPLICATION_ID = 0x544d6a6e;

/** Of a row beside its text: origin and id twice (table and unique index), numbers, and two more indexes; measured. */
export const ENTRY_OVERHEAD_BYTES = 200;

/**
 * `entries`: events, each once, in the order of arrival; `drainedAtMs` null = not yet in the source of record. `logins`: what
 * was answered, by loginId. `failures`: facts, each once. `grants`: the last one of each device and user. `heard`: one row.
 */
const FORMAT_1 = `
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
`;

/**
 * `toldBy`: the server that a fact came from, '' = seen here. `heard.missing`: `Missing` as JSON. `owner`: whose journal it is.
 * `totals`: kept by triggers, so that opening a large journal reads one row.
 */
const FORMAT_2 = `
  ALTER TABLE failures ADD COLUMN toldBy TEXT NOT NULL DEFAULT '';
  ALTER TABLE grants ADD COLUMN toldBy TEXT NOT NULL DEFAULT '';
  ALTER TABLE heard ADD COLUMN missing TEXT NOT NULL DEFAULT '{"count":0,"objects":[]}';
  CREATE TABLE owner (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    siteId TEXT NOT NULL,
    instance TEXT NOT NULL
  ) STRICT;
  CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    pending INTEGER NOT NULL,
    pendingBytes INTEGER NOT NULL,
    drainedBytes INTEGER NOT NULL
  ) STRICT;
  INSERT INTO totals
    SELECT 1, count(*) FILTER (WHERE drainedAtMs IS NULL),
      coalesce(sum(${sizeOf('entries')}) FILTER (WHERE drainedAtMs IS NULL), 0),
      coalesce(sum(${sizeOf('entries')}) FILTER (WHERE drainedAtMs IS NOT NULL), 0)
    FROM entries;
  CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
    UPDATE totals SET pending = pending + 1, pendingBytes = pendingBytes + ${sizeOf('NEW')};
  END;
  CREATE TRIGGER entry_drained AFTER UPDATE OF drainedAtMs ON entries
    WHEN OLD.drainedAtMs IS NULL AND NEW.drainedAtMs IS NOT NULL
  BEGIN
    UPDATE totals SET pending = pending - 1, pendingBytes = pendingBytes - ${sizeOf('OLD')},
      drainedBytes = drainedBytes + ${sizeOf('OLD')};
  END;
  CREATE TRIGGER entry_forgotten AFTER DELETE ON entries WHEN OLD.drainedAtMs IS NOT NULL BEGIN
    UPDATE totals SET drainedBytes = drainedBytes - ${sizeOf('OLD')};
  END;
`;

/**
 * `outflow`: the epoch of the source of record that entries go to; 0 = in doubt, null = not known yet. What was drained with a
 * sequence above `reopened` and up to `reopenTo` goes again.
 */
const FORMAT_3 = `
  CREATE TABLE outflow (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER,
    reopened INTEGER NOT NULL,
    reopenTo INTEGER NOT NULL
  ) STRICT;
  INSERT INTO outflow VALUES (1, NULL, 0, 0);
  CREATE TRIGGER entry_reopened AFTER UPDATE OF drainedAtMs ON entries
    WHEN OLD.drainedAtMs IS NOT NULL AND NEW.drainedAtMs IS NULL
  BEGIN
    UPDATE totals SET pending = pending + 1, pendingBytes = pendingBytes + ${sizeOf('OLD')},
      drainedBytes = drainedBytes - ${sizeOf('OLD')};
  END;
`;

/** `ended`: sessions that are over, for as long as servers tell each other of it. */
const FORMAT_4 = `
  CREATE TABLE ended (
    loginId TEXT NOT NULL PRIMARY KEY,
    atMs INTEGER NOT NULL,
    toldBy TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ended_by_age ON ended (atMs);
`;

/** What made each format out of the one before. They only add: the build before must go on reading and writing what they leave. */
const STEPS = [FORMAT_2, FORMAT_3, FORMAT_4];

export const JOURNAL_FORMAT = 1 + STEPS.length;
/** Whoever goes back by one release goes on with the journal (ADR 0028). A newer one holds events that are nowhere else: it is refused, never set aside. */
export const NEWEST_READABLE_FORMAT = JOURNAL_FORMAT + 1;

function sizeOf(row: 'entries' | 'NEW' | 'OLD'): string {
  return `(octet_length(${row}.event) + ${ENTRY_OVERHEAD_BYTES})`;
}

/** The tables as they were first; for tests of how they are brought up from there. */
export function createFormat1(handle: Database.Database): void {
  handle.exec(FORMAT_1);
  handle.pragma('user_version = 1');
}

/** In a new file. Runs inside the caller's transaction. */
export function createTables(handle: Database.Database): void {
  createFormat1(handle);
  handle.exec(STEPS.join(''));
  handle.pragma(`user_version = ${JOURNAL_FORMAT}`);
}

/** Brings an existing file up to this format; no row is lost. */
export function migrate(handle: Database.Database): void {
  const found = Number(handle.pragma('user_version', { simple: true }));
  if (found >= JOURNAL_FORMAT) return;
  handle.transaction(() => {
    handle.exec(STEPS.slice(found - 1).join(''));
    handle.pragma(`user_version = ${JOURNAL_FORMAT}`);
  })();
}
