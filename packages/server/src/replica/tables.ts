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
      deleted INTEGER NOT NULL,
      PRIMARY KEY (kind, name)
    ) STRICT;
    CREATE INDEX objects_by_uid ON objects (kind, uid, deleted);
    CREATE INDEX live_objects ON objects (kind, name) WHERE deleted = 0;
    CREATE INDEX devices_by_key ON objects (json_extract(system, '$.keyHash')) WHERE kind = 'Device';
    PRAGMA user_version = ${REPLICA_FORMAT};
  `);
}

/** What came after the first release of the format. Without it nothing is wrong: a full disk may put it off. */
export function addIndexes(handle: Database.Database): void {
  try {
    handle.exec('CREATE INDEX IF NOT EXISTS objects_by_generation ON objects (generation)');
  } catch (error) {
    if (troubleOf(error) === undefined) throw error;
  }
}
