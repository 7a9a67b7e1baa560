import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errorCode } from './error-code.ts';

/** What lies there cannot be a file of the agent's: a folder, a pipe, or far too large. `what` goes on from its path. */
export class UnfitFile extends Error {
  override readonly name = 'UnfitFile';
  readonly code = 'UNFIT_FILE';
  readonly what: string;
  constructor(path: string, what: string) {
    super(`${path} ${what}: move it away`);
    this.what = what;
  }
}

/**
 * The content of a small file of the agent's own. Never waits: a pipe in its place would hold the agent for ever, and a huge file fill
 * its memory. Throws UnfitFile, and what `node:fs` throws.
 */
export function readSmallFile(path: string, maxBytes: number): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new UnfitFile(path, 'is not a file');
    if (found.size > maxBytes) throw new UnfitFile(path, `is too large (${found.size} bytes)`);
    const content = Buffer.alloc(found.size);
    let length = 0;
    for (let count = -1; count !== 0 && length < content.length; length += count) {
      count = readSync(file, content, length, content.length - length, null);
    }
    return content.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** The same; undefined: nothing is there. */
export function readSmallFileIfThere(path: string, maxBytes: number): Buffer | undefined {
  try {
    return readSmallFile(path, maxBytes);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    // A socket cannot even be opened.
    if (errorCode(error) === 'ENXIO') throw new UnfitFile(path, 'is not a file');
    throw error;
  }
}
