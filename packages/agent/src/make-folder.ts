import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder of this mode, whatever the umask, with its parents; what is there keeps its mode. Throws as `node:fs` does.
 *
 * Not Node's `recursive`: it tries for ever where a folder cannot be made although its parent is there (/proc).
 */
export function makeFolder(path: string, mode: number): void {
  if (isFolder(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent, mode);
  const umask = process.umask(0o777 & ~mode);
  try {
    mkdirSync(path, mode);
  } finally {
    process.umask(umask);
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
