import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const PRIVATE_FILE_MODE = 0o600;
const PRIVATE_FOLDER_MODE = 0o700;

/** A folder that only this Unix user may enter. Throws as `node:fs` does. */
export function makePrivateFolder(path: string): void {
  if (!isFolder(path)) makeFolder(path);
  chmodSync(path, PRIVATE_FOLDER_MODE);
}

/** With its parents. Not Node's `recursive`: it tries for ever where a folder cannot be made although its parent is there (/proc). */
function makeFolder(path: string): void {
  const parent = dirname(path);
  if (parent !== path && !isFolder(parent)) makeFolder(parent);
  mkdirSync(path, PRIVATE_FOLDER_MODE);
}

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Replaces a file as a whole: whoever reads it, and whenever the power goes, it is the old one or the new one. */
export function writeFileAtomically(path: string, content: string | Uint8Array, mode = PRIVATE_FILE_MODE): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.new`;
  try {
    const file = openSync(temporary, 'wx', mode);
    try {
      const bytes = Buffer.from(content);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** A rename is on disk when its folder is. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
