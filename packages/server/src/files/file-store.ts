import { hash as digestOf } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HASH = /^[0-9a-f]{64}$/;
/** Of the server's own user alone, as all that is in its folder. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** Contents of files on this server's own disk, by their SHA-256: what a device is given while the database is away. */
export type FileStore = {
  has(hash: string): boolean;
  /** Checked: a file that has gone bad on the disk is none, and is removed. */
  read(hash: string): Uint8Array | undefined;
  /** Whole or not at all. Throws what `node:fs` throws: a full disk leaves what was there. */
  put(hash: string, bytes: Uint8Array): void;
  /** Removes all others. */
  keepOnly(hashes: ReadonlySet<string>): void;
};

export function openFileStore(folder: string): FileStore {
  const pathOf = (hash: string) => join(folder, hash);
  return {
    has: hash => HASH.test(hash) && existsSync(pathOf(hash)),
    read(hash) {
      if (!HASH.test(hash) || !existsSync(pathOf(hash))) return undefined;
      const bytes = readFileSync(pathOf(hash));
      if (digestOf('sha256', bytes, 'hex') === hash) return bytes;
      rmSync(pathOf(hash), { force: true });
      return undefined;
    },
    put(hash, bytes) {
      mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
      const partial = join(folder, `${hash}.new`);
      try {
        writeFileSync(partial, bytes, { mode: FILE_MODE, flush: true });
        renameSync(partial, pathOf(hash));
      } catch (error) {
        rmSync(partial, { force: true });
        throw error;
      }
    },
    keepOnly(hashes) {
      if (!existsSync(folder)) return;
      for (const name of readdirSync(folder)) if (!hashes.has(name)) rmSync(join(folder, name), { force: true });
    },
  };
}
