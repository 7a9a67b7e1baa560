import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { errorCode } from '../error-code.ts';

const FILE_MODE = 0o600;

/**
 * Holds the data folder for one agent: two would write over each other. SQLite's lock on a file of its own, because Node
 * has none; the kernel lifts it with the process, however that ends. undefined: another process holds it.
 */
export function lockDataFolder(lockFile: string): { release(): void } | undefined {
  closeSync(openSync(lockFile, 'a', FILE_MODE));
  const db = new Database(lockFile, { timeout: 0 });
  try {
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
    return { release: () => db.close() };
  } catch (error) {
    db.close();
    if (errorCode(error)?.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
}
