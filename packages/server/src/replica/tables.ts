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

/** No primary key among them: rows that come in no order fill a table without indexes several times as fast, and these after it. */
const INDEXES = {
  objects_by_name: 'UNIQUE INDEX IF NOT EXISTS objects_by_name ON objects (kind, name)',
  objects_by_uid: 'INDEX IF NOT EXISTS objects_by_uid ON objects (kind, uid, deleted)',
  live_objects: 'INDEX IF NOT EXISTS live_objects ON objects (kind, name) WHERE deleted = 0',
  devices_by_key:
    "INDEX IF NOT EXISTS devices_by_key ON objects (json_extract(system, '$.keyHash')) WHERE kind = 'Device'",
  devices_by_group:
    "INDEX IF NOT EXISTS devices_by_group ON objects (json_extract(body, '$.group'), name) WHERE kind = 'Device' AND deleted = 0",
  objects_by_generation: 'INDEX IF NOT EXISTS objects_by_generation ON objects (generation)',
} as const;

export function makeIndexes(handle: Database.Database): void {
  for (const index of Object.values(INDEXES)) handle.exec(`CREATE ${index}`);
}

export function dropIndexes(handle: Database.Database): void {
  for (const name of Object.keys(INDEXES)) handle.exec(`DROP INDEX IF EXISTS ${name}`);
}

/** What a file of an earlier release lacks. Without it nothing is wrong: a full disk may put it off. */
export function addIndexes(handle: Database.Database): void {
  try {
    makeIndexes(handle);
  } catch (error) {
    if (troubleOf(error) === undefined) throw error;
  }
}
