import { closeSync, openSync } from 'node:fs';
import Database, { type Database as Db } from 'better-sqlite3';
import { errorCode } from '../error-code.ts';

const FILE_MODE = 0o600;

/** An open database that nobody refers to is closed with the garbage, and its lock with it. */
const held = new Set<Db>();

/**
 * Holds the data folder for one agent: two would write over each other. SQLite's lock on a file of its own, because Node
 * has none; the kernel lifts it with the process, however that ends. undefined: another process holds it.
 */
export function lockDataFolder(lockFile: string): { release(): void } | undefined {
  makeFile(lockFile);
  const db = new Database(lockFile, { timeout: 0 });
  try {
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (errorCode(error)?.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
  held.add(db);
  return {
    release() {
      held.delete(db);
      db.close();
    },
  };
}

/** Only if it is missing: to open and close a locked file lifts the locks that this process has on it (POSIX). */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', FILE_MODE));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}
