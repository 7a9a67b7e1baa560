import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** An embedded database is several files: the data, the log that is not folded in yet, and what processes share of it. */
const PARTS = /^site\.db(?:-wal|-shm)?$/;
const partsIn = (folder: string) => readdirSync(folder).filter(file => PARTS.test(file));

/** A copy of the embedded source of record as it is now: nothing is writing. */
export function copyDatabase(dataFolder: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const file of partsIn(dataFolder)) cpSync(join(dataFolder, file), join(to, file));
}

/** Puts a copy in its place, under the servers that use it. */
export function putBackDatabase(from: string, dataFolder: string): void {
  for (const file of partsIn(dataFolder)) rmSync(join(dataFolder, file));
  for (const file of partsIn(from)) cpSync(join(from, file), join(dataFolder, file));
}
