import { join } from 'node:path';
import Database from 'better-sqlite3';

export const LOCK_FILE = 'lock';

/**
 * Takes a data folder for this process. The lock is SQLite's own lock on a file: the kernel lets go of it when the
 * process ends, however it ends, and a stopped process keeps it.
 * @returns how to let go; undefined when another process has the folder.
 */
export function lockFolder(dataFolder: string): (() => void) | undefined {
  const database = new Database(join(dataFolder, LOCK_FILE), { timeout: 0 });
  try {
    // No journal file beside it: nothing is ever written.
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
  return () => database.close();
}
