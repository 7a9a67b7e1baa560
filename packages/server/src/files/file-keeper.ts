import type { FileBody } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { Clock, SourceOfRecord } from '../ports.ts';
import type { FileStore } from './file-store.ts';

/** A content that is not there yet (a Slave that is behind, a database that is away, a full disk) is asked for again after this. */
const AGAIN_MS = 5_000;
/** Verified contents in memory: a shift that starts fetches the same few. */
const MAX_REMEMBERED = 8;

/** Keeps the contents of all files that the site holds on this server's disk, and gives them out. */
export type FileKeeper = {
  /** To be called when files may have changed. */
  follow(): void;
  /** undefined: no File names it. `not_yet`: one does, but the content has not arrived. */
  read(hash: string): Promise<Uint8Array | 'not_yet' | undefined>;
  stop(): Promise<void>;
};

export type FileKeeperOptions = {
  readonly store: FileStore;
  readonly record: Pick<SourceOfRecord, 'file'>;
  /** As the replica has them. */
  readonly files: () => ReadonlyMap<string, FileBody>;
  readonly clock: Pick<Clock, 'after'>;
  readonly log: Pick<Logger, 'warn'>;
};

export function createFileKeeper({ store, record, files, clock, log }: FileKeeperOptions): FileKeeper {
  const remembered = new Map<string, Uint8Array>();
  let stopped = false;
  let round: Promise<void> | undefined;
  let again = false;
  let cancelRetry = () => {};

  const wanted = () =>
    new Set(Array.from(files().values()).flatMap(({ sha256, url }) => (url === undefined ? [sha256] : [])));

  async function fetch(hash: string): Promise<Uint8Array | undefined> {
    const bytes = await record.file(hash);
    if (bytes !== undefined) store.put(hash, bytes);
    return bytes;
  }

  async function fetchAll(): Promise<void> {
    const hashes = wanted();
    let lacking = 0;
    for (const hash of hashes) {
      if (stopped) return;
      if (store.has(hash)) continue;
      try {
        if ((await fetch(hash)) === undefined) lacking++;
      } catch (error) {
        lacking++;
        log.warn({ err: error, sha256: hash }, 'a file could not be kept on this server; it tries again');
      }
    }
    if (lacking > 0 && !stopped) cancelRetry = clock.after(AGAIN_MS, follow);
    else store.keepOnly(hashes);
  }

  function follow(): void {
    cancelRetry();
    if (stopped) return;
    if (round !== undefined) {
      again = true;
      return;
    }
    round = fetchAll().finally(() => {
      round = undefined;
      if (!again) return;
      again = false;
      follow();
    });
  }

  function remember(hash: string, bytes: Uint8Array): Uint8Array {
    const [oldest] = remembered.keys();
    if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    remembered.set(hash, bytes);
    return bytes;
  }

  return {
    follow,
    async read(hash) {
      if (!wanted().has(hash)) return undefined;
      const known = remembered.get(hash) ?? store.read(hash);
      if (known !== undefined) return remember(hash, known);
      try {
        // A full disk here keeps nobody from the file: it goes out as it came.
        const bytes = await record.file(hash);
        follow();
        return bytes === undefined ? 'not_yet' : remember(hash, bytes);
      } catch {
        return 'not_yet';
      }
    },
    async stop() {
      stopped = true;
      cancelRetry();
      await round;
    },
  };
}
