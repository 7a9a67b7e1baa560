import {
  close,
  closeSync,
  fchmodSync,
  fchownSync,
  fsync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from './error-code.ts';

const MODE_BITS = 0o777;

/** Whose a file is. Only root can give one away. */
export type FileOwner = { readonly uid: number; readonly gid: number };

/**
 * Replaces a file so that after a power cut it holds the old content or the new one, whole. `mode` and `owner` (left out: the
 * agent's own user) hold from the first byte on. Throws as `node:fs` does; then the old content is still there.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode: number, owner?: FileOwner): void {
  const draft = `${path}.new`;
  try {
    removeFile(draft);
    const file = openSync(draft, 'wx', mode);
    try {
      fchmodSync(file, mode); // the umask may have taken bits away
      // By its handle: by its name, somebody could have put a link there.
      if (owner !== undefined) fchownSync(file, owner.uid, owner.gid);
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    removeFile(draft);
    throw error;
  }
  syncFolder(dirname(path));
}

const [flushed, closed] = [promisify(fsync), promisify(close)];

/**
 * Replaces a file at once, for whoever reads it in this boot of the machine. It is on the disk when the promise resolves, without the thread waiting:
 * after a power cut before that it may hold anything, or be missing. Throws and rejects as `node:fs` does.
 */
export function writeFileFlushedLater(path: string, content: string, mode: number): Promise<void> {
  const draft = `${path}.new`;
  removeFile(draft);
  const file = openSync(draft, 'wx', mode);
  let folder: number;
  try {
    fchmodSync(file, mode);
    writeFileSync(file, content);
    renameSync(draft, path);
    // Opened now: whoever takes all of it away before it is flushed has had it.
    folder = openSync(dirname(path), 'r');
  } catch (error) {
    closeSync(file);
    removeFile(draft);
    throw error;
  }
  return flushAndClose(file).finally(() => flushAndClose(folder));
}

async function flushAndClose(file: number): Promise<void> {
  try {
    await flushed(file);
  } finally {
    await closed(file);
  }
}

/** A rename is on disk only when its folder is. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Whether all of that lies there already, as `writeFileAtomic` would leave it: a file of its own, with the mode that others need. */
export function isWritten(path: string, content: string, mode: number): boolean {
  try {
    const found = lstatSync(path);
    // A pipe would not even be opened, and nothing larger is read.
    if (!found.isFile() || (found.mode & MODE_BITS) !== mode || found.size !== Buffer.byteLength(content)) return false;
    return readFileSync(path, 'utf8') === content;
  } catch {
    return false;
  }
}

/** Nothing is there afterwards, be it that nothing was. `rmSync` does no better: its error on a read-only disk has no code. */
export function removeFile(path: string): void {
  try {
    // Of a link the link alone, wherever it leads.
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) rmSync(path, { recursive: true });
    else unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
