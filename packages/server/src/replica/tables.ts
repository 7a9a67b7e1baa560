import type Database from 'better-sqlite3';
import { troubleOf } from '../record/dialects/sqlite-file.ts';

/** "TMrp": ThinMan replica. */
export const REPLICA_APPLICATION_ID = 0x544d7270;

/**
 * A replica is rebuilt rather than migrated: raise this when the tables change, and every server syncs fully once.
 */
export const REPLICA_FORMAT = 2;

/** `site`: one row, where the replica stands, the site as its source of record has it (JSON), and the digest of both tables. */
export function createTables(handle: Database.Database): void {
  handle.exec(`
    CREATE TABLE site (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      siteId TEXT NOT NULL,
      epoch INTEGER NOT NULL,
      generation INTEGER NOT NULL,
      commitId TEXT NOT NULL,
      site TEXT NOT NULL,
      digest TEXT NOT NULL
    ) STRICT;
    CREATE TABLE objects (
      kind TEXT NOT NULL,
      name TEXT NOT NULL,
      uid TEXT NOT NULL,
      generation INTEGER NOT NULL,
      body TEXT NOT NULL,
      system TEXT NOT NULL,
      deleted INTEGER NOT NULL
    ) STRICT;
    PRAGMA user_version = ${REPLICA_FORMAT};
  `);
  makeIndexes(handle);
}

/** By what an object of one kind is found whose uid is known; random ones differ in these. */
export const UID_START = 'substr(uid, 1, 8)';
/** As much of the hash of a device's key as tells one from the other: its index is a third as large, and made sooner. */
export const KEY_START = "substr(json_extract(system, '$.keyHash'), 1, 12)";

/**
 * Making them is the larger part of a fill (ADR 0115): each is of those rows, and of as little of them, as its query asks for. No primary key
 * among them: rows that come in no order fill a table without indexes several times as fast, and these after it.
 *
 * Whoever changes one gives it another name: the release before or after this one has its own, and takes a name for the same index.
 */
const INDEXES = {
  live_by_name: 'UNIQUE INDEX live_by_name ON objects (kind, name) WHERE deleted = 0',
  deleted_by_name: 'UNIQUE INDEX deleted_by_name ON objects (kind, name) WHERE deleted = 1',
  users_by_uid: "INDEX users_by_uid ON objects (uid) WHERE kind = 'User'",
  devices_by_uid_start: `INDEX devices_by_uid_start ON objects (${UID_START}) WHERE kind = 'Device'`,
  devices_by_key_start: `INDEX devices_by_key_start ON objects (${KEY_START}) WHERE kind = 'Device'`,
  devices_by_group:
    "INDEX devices_by_group ON objects (json_extract(body, '$.group'), name) WHERE kind = 'Device' AND deleted = 0",
  objects_by_generation: 'INDEX objects_by_generation ON objects (generation)',
} as const;

export function makeIndexes(handle: Database.Database): void {
  const known = new Set(indexNames(handle));
  for (const [name, index] of Object.entries(INDEXES)) if (!known.has(name)) handle.exec(`CREATE ${index}`);
}

export function dropIndexes(handle: Database.Database, names = indexNames(handle)): void {
  for (const name of names) handle.exec(`DROP INDEX "${name}"`);
}

function indexNames(handle: Database.Database): readonly string[] {
  const named = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'objects' AND sql IS NOT NULL";
  return handle.prepare<unknown[], string>(named).pluck().all();
}

/** What a file of another release lacks, and has beyond. Without it nothing is wrong: a full disk may put it off. */
export function addIndexes(handle: Database.Database): void {
  const isStrange = (name: string) => !Object.hasOwn(INDEXES, name);
  try {
    handle.transaction(() => {
      makeIndexes(handle);
      dropIndexes(handle, indexNames(handle).filter(isStrange));
    })();
  } catch (error) {
    if (troubleOf(error) === undefined) throw error;
    giveBackLog(handle);
  }
}

/** What did not fit has left a log of all the room that there was: others need that. */
function giveBackLog(handle: Database.Database): void {
  try {
    handle.pragma('wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (troubleOf(error) === undefined) throw error;
  }
}
