import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/** An embedded database is several files: the data, the log that is not folded in yet, and what processes share of it. */
const MAIN = 'site.db';
const PARTS = /^site\.db(?:-wal|-shm)?$/;
const partsIn = (folder: string) => readdirSync(folder).filter(file => PARTS.test(file));

/** A copy of the embedded source of record as it is now: nothing is writing. */
export function copyDatabase(dataFolder: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const file of partsIn(dataFolder)) cpSync(join(dataFolder, file), join(to, file));
}

/** A copy of a server's own copy of the site: nothing is writing. */
export function copyReplica(dataFolder: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const file of REPLICA_PARTS) {
    rmSync(join(to, file), { force: true });
    if (existsSync(join(dataFolder, file))) cpSync(join(dataFolder, file), join(to, file));
  }
}
const REPLICA_PARTS = ['replica.db', 'replica.db-wal', 'replica.db-shm'];

export function removeDatabase(dataFolder: string): void {
  for (const file of partsIn(dataFolder)) rmSync(join(dataFolder, file));
}

/**
 * Puts a copy in its place, under the servers that use it: as one file, in one step. A server that looked while its parts came one after
 * the other would open one without its log, and go on in a log that is then another one's.
 */
export function putBackDatabase(from: string, dataFolder: string): void {
  const whole = join(dataFolder, 'put-back');
  copyDatabase(from, whole);
  fold(join(whole, MAIN));
  removeLogs(dataFolder);
  renameSync(join(whole, MAIN), join(dataFolder, MAIN));
  rmSync(whole, { recursive: true });
}

/** All that lies in its log goes into the file itself; the last one to close it removes the rest. */
function fold(path: string): void {
  const database = new Database(path);
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.close();
}

function removeLogs(folder: string): void {
  for (const file of partsIn(folder)) if (file !== MAIN) rmSync(join(folder, file));
}
