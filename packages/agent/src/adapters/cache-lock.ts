import { closeSync, lstatSync, openSync, truncateSync } from 'node:fs';
import Database, { type Database as Db } from 'better-sqlite3';
import { removeFile } from '../atomic-file.ts';
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
  let db: Db | undefined;
  try {
    db = lock(lockFile);
  } catch (error) {
    // SQLite takes the lock before it reads: nobody holds this file, and there was never anything in it. Emptied in its place, so that
    // two who come at once still meet at one file.
    if (!isGarbage(error)) throw error;
    truncateSync(lockFile, 0);
    db = lock(lockFile);
  }
  if (db === undefined) return undefined;
  const mine = db;
  held.add(mine);
  return {
    release() {
      held.delete(mine);
      mine.close();
    },
  };
}

function lock(lockFile: string): Db | undefined {
  const db = new Database(lockFile, { timeout: 0 });
  try {
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    if (errorCode(error)?.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
}

const isGarbage = (error: unknown) => /^SQLITE_(?:NOTADB|CORRUPT)/.test(errorCode(error) ?? '');

/**
 * Only if it is missing: to open and close a locked file lifts the locks that this process has on it (POSIX). Nobody holds what is no
 * file (a folder, a pipe, a link): that goes.
 */
function makeFile(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) removeFile(path);
  try {
    closeSync(openSync(path, 'wx', FILE_MODE));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}
