import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

export const LOCK_FILE = 'lock';
/** Whoever may open it could hold it. */
const OWNER_ONLY = 0o600;

/** An open database that nobody refers to is closed with the garbage, and its lock with it. */
const held = new Set<Database.Database>();

/**
 * Takes a data folder for this process. The lock is SQLite's own lock on a file: the kernel lets go of it when the
 * process ends, however it ends, and a stopped process keeps it.
 * @returns how to let go; undefined when another process has the folder.
 */
export function lockFolder(dataFolder: string): (() => void) | undefined {
  const path = join(dataFolder, LOCK_FILE);
  const database = new Database(path, { timeout: 0 });
  try {
    chmodSync(path, OWNER_ONLY);
    // No journal file beside it: nothing is ever written.
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
  held.add(database);
  return () => {
    held.delete(database);
    database.close();
  };
}
