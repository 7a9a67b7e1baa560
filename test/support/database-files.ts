import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** An embedded database is several files: the data, the log that is not folded in yet, and what processes share of it. */
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

/** Puts a copy in its place, under the servers that use it. */
export function putBackDatabase(from: string, dataFolder: string): void {
  removeDatabase(dataFolder);
  for (const file of partsIn(from)) cpSync(join(from, file), join(dataFolder, file));
}
