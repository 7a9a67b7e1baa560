import { statSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import type { CacheCondition, Clock } from '../ports.ts';
import {
  type CacheOwner,
  closeCacheFile,
  closeQuietly,
  logOf,
  markInUse,
  type OpenedCacheFile,
  openCacheFile,
  rebuildCacheFile,
  removeCacheFiles,
  salvage,
} from './cache-file.ts';
import { openRows, type Rows } from './cache-rows.ts';
import { CacheTrouble, troubleOf } from './cache-trouble.ts';
import { type Outbox, openOutbox, type Salvaged } from './outbox.ts';

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
  /** The same two, for what writes nothing. */
  look<T>(work: (tables: Tables) => T): T;
  lookAnew<T>(work: (tables: Tables) => T): T;
  /**
   * As `runAnew`, for what may as well not have been done: it comes to the disk with the next thing that is. The log has it all the same, for
   * whoever is started after this process was killed.
   */
  runUnflushed<T>(work: (tables: Tables) => T): T;
  /** What was deleted leaves the log too. */
  compact(): void;
  /** Removes the file, whatever state it is in. */
  remove(): void;
  close(): void;
};

type Opened = {
  readonly db: Database;
  readonly tables: Tables;
  /** Which files they are, the store's and its log's. */
  readonly files: string;
  /** The file itself says that it is in use: before the first commit goes to its log (ADR 0113). */
  isMarked: boolean;
};

export type CacheStoreOptions = {
  readonly clock: Clock;
  /** The file was made before: one that is not there was lost. */
  readonly isExpected: boolean;
  /** Writes what is known without the file into one that was made anew while it was in use. */
  readonly onRebuilt: (tables: Tables) => void;
};

export function openCacheStore(path: string, owner: CacheOwner, options: CacheStoreOptions): CacheStore {
  const { clock, isExpected, onRebuilt } = options;
  let opened: Opened | undefined;
  let condition: CacheCondition;
  let triedAtMs: number;
  let closed = false;
  /** Read from a file that is no more, and not yet in a new one. */
  let salvaged: Salvaged | undefined;

  const openWith = (open: () => OpenedCacheFile): Opened | undefined => {
    triedAtMs = clock.monotonicMs();
    try {
      const { db, condition: found } = open();
      salvaged = undefined;
      condition = found;
      const tables = { rows: openRows(db, owner.rowKey), outbox: openOutbox(db, owner.rowKey) };
      // What its log says of that may be in the log alone.
      opened = { db, tables, files: filesAt(path), isMarked: false };
    } catch (error) {
      const trouble = troubleOf(error);
      opened = undefined;
      condition = { kind: 'unavailable', why: trouble.message };
    }
    return opened;
  };
  const openAgain = () =>
    openWith(() =>
      salvaged === undefined
        ? openCacheFile(path, owner, clock.nowMs(), isExpected)
        : rebuildCacheFile(path, owner, clock.nowMs(), salvaged),
    );
  const shut = () => {
    if (opened !== undefined) closeQuietly(opened.db);
    opened = undefined;
  };
  const mark = (which: Opened) => {
    // Where there is no room for it now, the next commit may find some.
    if (!which.isMarked) which.isMarked = markInUse(which.db);
  };
  /** What the file held of users is gone; its events, and what is known without it, are in the new one. */
  const rebuild = (from: Opened) => {
    salvaged = salvage(from.db, owner);
    shut();
    const made = openAgain();
    if (made === undefined) return;
    mark(made);
    made.db.transaction(() => onRebuilt(made.tables))();
  };
  const current = (): Opened => {
    if (closed) throw new Error('the store is closed');
    if (opened === undefined && clock.monotonicMs() - triedAtMs >= REOPEN_AFTER_MS) openAgain();
    if (opened === undefined) throw new CacheTrouble('unavailable', 'not open');
    if (opened.files !== filesAt(path)) throw new CacheTrouble('damaged', 'the file was taken away');
    return opened;
  };
  const guarded = <T>(work: (current: Opened) => T): T => {
    try {
      return work(current());
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble.kind === 'damaged' && opened !== undefined) rebuild(opened);
      throw trouble;
    }
  };
  const run = <T>(work: (tables: Tables) => T): T =>
    guarded(used => {
      mark(used);
      return used.db.transaction(() => work(used.tables)).immediate();
    });
  const look = <T>(work: (tables: Tables) => T): T =>
    guarded(({ db, tables }) => db.transaction(() => work(tables)).deferred());
  /** Once more on the file that was made in the place of a damaged one. */
  const anew = <T>(how: () => T): T => {
    try {
      return how();
    } catch (error) {
      if (!(error instanceof CacheTrouble) || error.kind !== 'damaged') throw error;
      return how();
    }
  };
  const runAnew = <T>(work: (tables: Tables) => T): T => anew(() => run(work));

  triedAtMs = clock.monotonicMs();
  condition = { kind: 'new' };
  openAgain();
  return {
    condition: () => condition,
    run,
    look,
    runAnew,
    lookAnew: work => anew(() => look(work)),
    runUnflushed(work) {
      const db = opened?.db;
      // Of a log: what is in it comes in order, and a power cut takes a piece of its end.
      db?.pragma('synchronous = NORMAL');
      try {
        return runAnew(work);
      } finally {
        if (opened !== undefined && opened.db === db) db.pragma('synchronous = FULL');
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
      try {
        removeCacheFiles(path);
      } catch (error) {
        throw troubleOf(error);
      }
      openWith(() => openCacheFile(path, owner, clock.nowMs(), false));
    },
    close() {
      closed = true;
      if (opened !== undefined) closeCacheFile(opened.db);
      opened = undefined;
    },
  };
}

/** An open handle outlives its file: without this, commits would go on into a file that no path leads to. */
function filesAt(path: string): string {
  const found = [path, logOf(path)].map(file => statSync(file, { throwIfNoEntry: false }));
  return found.map(file => `${file?.dev}:${file?.ino}`).join();
}
