import type { Database } from 'better-sqlite3';
import type { CacheCondition, Clock } from '../ports.ts';
import { type CacheOwner, closeQuietly, openCacheFile, rebuildCacheFile, removeCacheFiles } from './cache-file.ts';
import { openRows, type Rows } from './cache-rows.ts';
import { CacheTrouble, troubleOf } from './cache-trouble.ts';
import { type Outbox, openOutbox } from './outbox.ts';

/** A store that could not be opened is tried again after this long: a disk that was full may have room again. */
const REOPEN_AFTER_MS = 10_000;

export type Tables = { readonly rows: Rows; readonly outbox: Outbox };

/** The store's file over its life: opened, used, made anew when it turns out damaged, opened again when it could not be. */
export type CacheStore = {
  condition(): CacheCondition;
  /** One transaction, on disk when it returns. Throws CacheTrouble; then nothing of it was done. */
  run<T>(work: (tables: Tables) => T): T;
  /** The same for what does not rest on what was stored: a damaged file is made anew, and it runs on the new one. */
  runAnew<T>(work: (tables: Tables) => T): T;
  /** What was deleted leaves the log too. */
  compact(): void;
  /** Removes the file, whatever state it is in. */
  remove(): void;
  close(): void;
};

type Opened = { readonly db: Database; readonly tables: Tables };

export function openCacheStore(path: string, owner: CacheOwner, clock: Clock): CacheStore {
  let opened: Opened | undefined;
  let condition: CacheCondition;
  let triedAtMs: number;
  let closed = false;

  const openWith = (open: typeof openCacheFile) => {
    triedAtMs = clock.monotonicMs();
    try {
      const found = open(path, owner, clock.nowMs());
      const { db } = found;
      opened = { db, tables: { rows: openRows(db, owner.rowKey), outbox: openOutbox(db, owner.rowKey) } };
      condition = found.condition;
    } catch (error) {
      const trouble = troubleOf(error);
      opened = undefined;
      condition = { kind: 'unavailable', why: trouble.message };
    }
  };
  const shut = () => {
    if (opened !== undefined) closeQuietly(opened.db);
    opened = undefined;
  };
  const current = (): Opened => {
    if (closed) throw new Error('the store is closed');
    if (opened === undefined && clock.monotonicMs() - triedAtMs >= REOPEN_AFTER_MS) openWith(openCacheFile);
    if (opened === undefined) throw new CacheTrouble('unavailable', 'not open');
    return opened;
  };
  const run = <T>(work: (tables: Tables) => T): T => {
    const { db, tables } = current();
    try {
      return db.transaction(() => work(tables)).immediate();
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble.kind === 'damaged') {
        shut();
        openWith(rebuildCacheFile);
      }
      throw trouble;
    }
  };

  triedAtMs = clock.monotonicMs();
  condition = { kind: 'new' };
  openWith(openCacheFile);
  return {
    condition: () => condition,
    run,
    runAnew(work) {
      try {
        return run(work);
      } catch (error) {
        if (!(error instanceof CacheTrouble) || error.kind !== 'damaged') throw error;
        return run(work);
      }
    },
    compact() {
      try {
        current().db.pragma('wal_checkpoint(TRUNCATE)');
      } catch (error) {
        throw troubleOf(error);
      }
    },
    remove() {
      shut();
      removeCacheFiles(path);
      openWith(openCacheFile);
    },
    close() {
      closed = true;
      shut();
    },
  };
}
