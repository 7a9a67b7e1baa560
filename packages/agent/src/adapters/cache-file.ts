import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, existsSync, openSync, readdirSync, renameSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DeviceEventType, ThinmanEvent } from '@thinman/protocol';
import Database, { type Database as Db } from 'better-sqlite3';
import { removeFile, syncFolder } from '../atomic-file.ts';
import type { CacheCondition } from '../ports.ts';
import { isTag, openRows, ROWS_SCHEMA, tagOf } from './cache-rows.ts';
import { CacheTrouble, troubleOf } from './cache-trouble.ts';
import { OUTBOX_SCHEMA, openOutbox, type Salvaged, salvageOutbox } from './outbox.ts';

/** Whose file it is, and the key of its tags. */
export type CacheOwner = { readonly siteId: string; readonly deviceId: string; readonly rowKey: Uint8Array };

export type OpenedCacheFile = { readonly db: Db; readonly condition: CacheCondition };

/** Raised with every change of the tables. A file of another version is set aside, its events carried over. */
const SCHEMA_VERSION = 1;
const FILE_MODE = 0o600;
/** There is one writer; whoever else holds the file holds it wrongly. */
const BUSY_TIMEOUT_MS = 200;
/** Damaged files that are kept for those who look into it; older ones go, so that they cannot fill the disk. */
const KEPT_SET_ASIDE = 3;

const SCHEMA = `
  CREATE TABLE identity (
    one INTEGER PRIMARY KEY CHECK (one = 1), site_id TEXT NOT NULL, device_id TEXT NOT NULL, tag BLOB NOT NULL
  ) STRICT;
  ${ROWS_SCHEMA}
  ${OUTBOX_SCHEMA}`;

/** A name beside the file, for a step of making a new one. */
const draftOf = (path: string) => `${path}.draft`;
/** Complete, with all events that were carried over: from here on it is the store, whatever lies at `path`. */
const rebuiltOf = (path: string) => `${path}.rebuilt`;
const SET_ASIDE = '.damaged-';
const COMPANIONS = ['', '-wal', '-shm', '-journal'];
export const logOf = (path: string) => `${path}-wal`;

/** The application id in the header, "TMca": with an agent that has it open, and without. */
const IN_USE = 0x544d6361;
const AT_REST = IN_USE + 1;

const NOTHING_SALVAGED: Salvaged = { events: [], complete: false };

/**
 * Opens the store, or makes it, or makes it anew. `isExpected`: it was made before, so that a file that is not there was lost.
 * Throws CacheTrouble `full` or `unavailable` when none of it can be done.
 */
export function openCacheFile(path: string, owner: CacheOwner, nowMs: number, isExpected: boolean): OpenedCacheFile {
  // Asked first: SQLite removes it with the last handle, whatever the file was.
  const hasLog = existsSync(logOf(path));
  try {
    for (const companion of COMPANIONS) removeFile(draftOf(path) + companion);
    if (existsSync(rebuiltOf(path))) {
      const setAside = installRebuilt(path, nowMs);
      const db = openWhole(path, owner);
      const carriedOver = openOutbox(db, owner.rowKey).count();
      return { db, condition: { kind: 'damaged', carriedOver, complete: false, setAside } };
    }
    if (!existsSync(path)) {
      if (isExpected) return rebuildCacheFile(path, owner, nowMs, NOTHING_SALVAGED);
      makeFile(draftOf(path), owner, []);
      renameSync(draftOf(path), path);
      syncFolder(dirname(path));
      return { db: openWhole(path, owner), condition: { kind: 'new' } };
    }
    try {
      return { db: openWhole(path, owner, hasLog), condition: { kind: 'ok' } };
    } catch (error) {
      if (troubleOf(error).kind !== 'damaged') throw error;
      return rebuildCacheFile(path, owner, nowMs, salvageFile(path, owner, hasLog));
    }
  } catch (error) {
    throw troubleOf(error);
  }
}

/** Sets the file aside, if there is one, and makes a new one with these events. The file must be closed. */
export function rebuildCacheFile(
  path: string,
  owner: CacheOwner,
  nowMs: number,
  { events, complete }: Salvaged,
): OpenedCacheFile {
  makeFile(draftOf(path), owner, [...events, ...tellDamage(events.length, complete, nowMs)]);
  renameSync(draftOf(path), rebuiltOf(path));
  const setAside = installRebuilt(path, nowMs);
  const db = openWhole(path, owner);
  return { db, condition: { kind: 'damaged', carriedOver: events.length, complete, setAside } };
}

/** In the new file from its first moment on, so that it is told once, whenever the power goes. */
function tellDamage(carriedOver: number, complete: boolean, nowMs: number): readonly ThinmanEvent[] {
  const event = (type: DeviceEventType, data: ThinmanEvent['data']) => ({ id: randomUUID(), type, at: nowMs, data });
  const damage = event('cache.damaged', { carriedOver });
  return complete ? [damage] : [damage, event('events.lost', { lost: 'unknown' })];
}

/** Removes the file and all that was set aside: nothing of any user stays. */
export function removeCacheFiles(path: string): void {
  for (const companion of COMPANIONS) removeFile(path + companion);
  removeSetAside(path, 0);
}

export function removeSetAside(path: string, keep: number = KEPT_SET_ASIDE): void {
  const folder = dirname(path);
  const main = readdirSync(folder).filter(
    name => name.startsWith(basename(path) + SET_ASIDE) && !COMPANIONS.slice(1).some(tail => name.endsWith(tail)),
  );
  for (const name of main.sort().slice(0, Math.max(main.length - keep, 0))) {
    for (const companion of COMPANIONS) removeFile(join(folder, name) + companion);
  }
}

/** Opens a file and looks at all of it. Throws CacheTrouble. */
function openWhole(path: string, owner: CacheOwner, hasLog = true): Db {
  if (!COMPANIONS.every(companion => isFileOrNothing(path + companion))) throw new CacheTrouble('damaged', 'no file');
  chmodSync(path, FILE_MODE);
  const db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    configure(db);
    if (db.pragma('quick_check', { simple: true }) !== 'ok') throw new CacheTrouble('damaged', 'quick_check');
    if (db.pragma('user_version', { simple: true }) !== SCHEMA_VERSION) throw new CacheTrouble('damaged', 'version');
    checkOwner(db, owner);
    openRows(db, owner.rowKey).checkAll();
    if (!hasLog && isMarkedInUse(db)) throw new CacheTrouble('damaged', 'its log is missing');
    return db;
  } catch (error) {
    closeQuietly(db);
    throw troubleOf(error);
  }
}

/** The last commits of a file in use are in its log alone: without it the rest is whole, and too old. */
function isMarkedInUse(db: Db): boolean {
  return db.pragma('application_id', { simple: true }) === IN_USE;
}

/** In the file itself, not in its log. False: there was no room for it; a loss is not noticed then, and nothing else is wrong. */
export function markInUse(db: Db, mark: typeof IN_USE | typeof AT_REST = IN_USE): boolean {
  try {
    db.pragma(`application_id = ${mark}`);
    db.pragma('wal_checkpoint(TRUNCATE)');
    return true;
  } catch (error) {
    if (troubleOf(error).kind === 'damaged') throw error;
    return false;
  }
}

/** In an orderly way: the file is whole without its log. */
export function closeCacheFile(db: Db): void {
  try {
    if (isMarkedInUse(db)) markInUse(db, AT_REST);
  } catch {
    // Found damaged at the end: the next start looks at all of it.
  }
  closeQuietly(db);
}

function isFileOrNothing(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() !== false;
}

function configure(db: Db): void {
  // Exclusive: one writer, and the index of the log stays in memory, so that there is no -shm file to fail or to leak.
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('journal_mode = WAL');
  // At every open: the library falls back to NORMAL, which loses commits with the power.
  db.pragma('synchronous = FULL');
  db.pragma('secure_delete = ON');
  db.pragma('trusted_schema = OFF');
}

function checkOwner(db: Db, { siteId, deviceId, rowKey }: CacheOwner): void {
  const row = db.prepare<[], { site_id: string; device_id: string; tag: Buffer }>('SELECT * FROM identity').get();
  const right =
    row?.site_id === siteId &&
    row.device_id === deviceId &&
    isTag(row.tag, tagOf(rowKey, ['identity', siteId, deviceId]));
  if (!right) throw new CacheTrouble('damaged', row === undefined ? 'no identity row' : "another device's file");
}

function makeFile(path: string, owner: CacheOwner, events: readonly ThinmanEvent[]): void {
  const { siteId, deviceId, rowKey } = owner;
  closeSync(openSync(path, 'wx', FILE_MODE)); // SQLite gives its companions the mode of the file
  const db = new Database(path);
  try {
    db.pragma('synchronous = FULL');
    db.transaction(() => {
      db.exec(SCHEMA);
      db.pragma(`user_version = ${SCHEMA_VERSION}`);
      const tag = tagOf(rowKey, ['identity', siteId, deviceId]);
      db.prepare('INSERT INTO identity VALUES (1, ?, ?, ?)').run(siteId, deviceId, tag);
      const outbox = openOutbox(db, rowKey);
      for (const event of events) outbox.append(event);
    })();
  } catch (error) {
    closeQuietly(db);
    removeFile(path);
    throw error;
  }
  db.close();
}

/** The damaged file goes aside with its log: a log left behind would be replayed into the new file. undefined: none was there. */
function installRebuilt(path: string, nowMs: number): string | undefined {
  const setAside = path + SET_ASIDE + new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-');
  // The file itself last: as long as it lies there, this can begin again.
  const found = COMPANIONS.toReversed().filter(companion => existsSync(path + companion));
  for (const companion of found) renameSync(path + companion, setAside + companion);
  renameSync(rebuiltOf(path), path);
  syncFolder(dirname(path));
  removeSetAside(path);
  return found.includes('') ? setAside : undefined;
}

/** Throws CacheTrouble when the file cannot be read for a reason that passes: then nothing is known of its events. */
function salvageFile(path: string, owner: CacheOwner, hasLog: boolean): Salvaged {
  if (!isFileOrNothing(path)) return NOTHING_SALVAGED;
  const db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.prepare('SELECT count(*) FROM sqlite_master').get(); // takes the lock
    const salvaged = salvage(db, owner);
    return !hasLog && isMarkedInUse(db) ? { ...salvaged, complete: false } : salvaged;
  } catch (error) {
    const trouble = troubleOf(error);
    if (trouble.kind !== 'damaged') throw trouble;
    return NOTHING_SALVAGED;
  } finally {
    closeQuietly(db);
  }
}

/** What can still be read of the events. In a file that is not this device's, or no longer, nobody knows what is missing. */
export function salvage(db: Db, owner: CacheOwner): Salvaged {
  const salvaged = salvageOutbox(db, owner.rowKey);
  try {
    checkOwner(db, owner);
    return salvaged;
  } catch (error) {
    troubleOf(error);
    return { ...salvaged, complete: false };
  }
}

export function closeQuietly(db: Db): void {
  try {
    db.close();
  } catch {
    // A damaged file may refuse its last checkpoint; the handle is gone all the same.
  }
}
