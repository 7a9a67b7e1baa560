import { createHash } from 'node:crypto';
import {
  appendFileSync,
  createReadStream,
  lstatSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import type { BundleFile } from '@thinman/protocol';
import { removeFile } from '../atomic-file.ts';
import { errorCode } from '../error-code.ts';
import { makeFolder } from '../make-folder.ts';
import type { Clock, FileCache, FileSource } from '../ports.ts';

/** Other programs of the device read them: a wallpaper is no secret. */
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;
/** Of a thin client's disk, which often has 8 GB in all: some dozens of files of the largest size, and a large one by URL. */
export const FILE_CACHE_LIMIT_BYTES = 512 * 1024 ** 2;
/** Left free on the disk: logins and events, which lie there too, go before any wallpaper. */
export const FREE_LEFT_BYTES = 32 * 1024 ** 2;
/** What has come with a wrong content from a URL is not fetched again before: it would be the same, from the beginning. */
const WRONG_AGAIN_MS = 3_600_000;
/** Where servers of the site give it: each of them checks what it gives, so that another one has the right content. */
const WRONG_AGAIN_OF_SITE_MS = 60_000;

const NO_FOLDER: readonly string[] = ['ENOENT', 'ENOTDIR', 'ELOOP'];

export type FileCacheOptions = {
  readonly folder: string;
  readonly source: FileSource;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly limitBytes?: number;
  readonly freeLeftBytes?: number;
};

/**
 * Files that policies name, on this device's disk by their hash. What was cut off goes on where it was; what has another content
 * than the site says is never given to anybody. A full disk leaves what is there as it is.
 */
export function createFileCache({
  folder,
  source,
  clock,
  limitBytes = FILE_CACHE_LIMIT_BYTES,
  freeLeftBytes = FREE_LEFT_BYTES,
}: FileCacheOptions): FileCache {
  const verified = new Set<string>();
  const wrong = new Map<string, number>();
  const pathOf = ({ sha256 }: Pick<BundleFile, 'sha256'>) => join(folder, sha256);
  const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size;

  /** Once a start, and whenever it was fetched: a disk forgets. */
  async function holds(file: BundleFile): Promise<boolean> {
    const path = pathOf(file);
    for (const each of [path, `${path}.part`]) {
      // To write to a pipe waits for ever, and a folder takes no content.
      if (lstatSync(each, { throwIfNoEntry: false })?.isFile() === false) removeFile(each);
    }
    if (sizeOf(path) !== file.bytes) return false;
    if (verified.has(file.sha256)) return true;
    if ((await hashOf(path)) !== file.sha256) {
      rmSync(path, { force: true });
      return false;
    }
    verified.add(file.sha256);
    return true;
  }

  async function fetch(file: BundleFile, signal: AbortSignal): Promise<void> {
    const partial = `${pathOf(file)}.part`;
    makeFolder(folder, FOLDER_MODE);
    const held = sizeOf(partial) ?? 0;
    let size = held > file.bytes ? 0 : held;
    if (size !== held) rmSync(partial, { force: true });
    requireRoom(file, file.bytes - size);
    const begun = size;
    try {
      if (size === 0) appendFileSync(partial, '', { mode: FILE_MODE });
      if (size < file.bytes) {
        for await (const { from, bytes } of source(file, size, signal)) {
          // A server that knows no ranges begins anew.
          if (from !== size) truncateSync(partial, from);
          size = from + bytes.length;
          if (size > file.bytes) break;
          appendFileSync(partial, bytes, { flush: true });
        }
      }
    } catch (error) {
      if (errorCode(error) !== 'ENOSPC') throw error;
      // What has come of it is worth less than the room that it takes.
      rmSync(partial, { force: true });
      throw new Error(
        `the disk became full while ${file.name} (${file.bytes} bytes) was stored; it is asked for again`,
      );
    }
    if (size < file.bytes)
      throw new Error(`${file.name}: ${size} of ${file.bytes} bytes have come; the rest is asked for again`);
    const hash = size === file.bytes ? await hashOf(partial) : 'more than it should be';
    if (hash !== file.sha256) {
      rmSync(partial, { force: true });
      // Put together of parts it may be wrong for that alone: from the beginning it is tried at once.
      if (begun === 0) wrong.set(file.sha256, clock.monotonicMs());
      throw new Error(wrongContent(file));
    }
    renameSync(partial, pathOf(file));
    verified.add(file.sha256);
  }

  function requireRoom({ name }: BundleFile, needed: number): void {
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    if (needed + freeLeftBytes <= free) return;
    throw new Error(
      `${name} needs ${needed} bytes more, and of the ${free} that are free on this device's disk ${freeLeftBytes} stay free`,
    );
  }

  return {
    pathOf: file => (verified.has(file.sha256) ? pathOf(file) : undefined),
    async ensure(file, signal) {
      if (await holds(file)) return pathOf(file);
      if (file.bytes > limitBytes)
        throw new Error(`${file.name} has ${file.bytes} bytes, and this device keeps at most ${limitBytes}`);
      const wrongAtMs = wrong.get(file.sha256);
      const againMs = file.url === undefined ? WRONG_AGAIN_OF_SITE_MS : WRONG_AGAIN_MS;
      if (wrongAtMs !== undefined && clock.monotonicMs() - wrongAtMs < againMs) throw new Error(wrongContent(file));
      await fetch(file, signal);
      return pathOf(file);
    },
    keepOnly(files) {
      const wanted = new Set(files.flatMap(({ sha256 }) => [sha256, `${sha256}.part`]));
      for (const name of readFolder(folder).filter(each => !wanted.has(each))) {
        verified.delete(name);
        rmSync(join(folder, name), { force: true });
      }
    },
    makeRoom(files) {
      const wanted = new Set(files.flatMap(({ sha256 }) => [sha256, `${sha256}.part`]));
      const needed = files.reduce((sum, { bytes }) => sum + bytes, 0);
      const others = readFolder(folder)
        .filter(name => !wanted.has(name))
        .map(name => ({ name, ...statSync(join(folder, name)) }))
        .sort((a, b) => a.mtimeMs - b.mtimeMs);
      let total = others.reduce((sum, { size }) => sum + size, needed);
      for (const { name, size } of others) {
        if (total <= limitBytes) return;
        total -= size;
        verified.delete(name);
        rmSync(join(folder, name), { force: true });
      }
    },
  };
}

const wrongContent = ({ name, sha256 }: BundleFile) =>
  `${name} has another content than the site says (SHA-256 ${sha256}): it is not used; put the file anew, or mend what lies at its URL`;

/** Nothing is in what is no folder; whoever wants to put something there is told. */
function readFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (NO_FOLDER.includes(errorCode(error) ?? '')) return [];
    throw error;
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
