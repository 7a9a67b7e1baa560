import { readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type Database from 'better-sqlite3';
import {
  createSqliteFile,
  fileAt,
  isBadSector,
  type OpenSqliteFile,
  openSqliteFile,
  type SqliteTrouble,
  troubleOf,
} from './sqlite-file.ts';

/** A file that could not be used was renamed, for people to look at, and a new one was begun. */
export type SetAside = { readonly path: string; readonly why: SqliteTrouble | 'other_site' | 'other_server' };

/** Trouble that a new file cures. With the rest (no room, no permission) a new file would fare no better. */
const CURABLE: readonly (SqliteTrouble | undefined)[] = ['missing', 'empty', 'damaged', 'foreign'];

/**
 * Opens a file of this server's own, or begins it anew: a file that is damaged, or something else, is set aside. Throws
 * (see `troubleOf`) when a new file would not help.
 */
export function openOrRebuild(
  path: string,
  options: OpenSqliteFile & {
    /** Tables, in a new file; runs in one transaction with what marks the file as ours. */
    readonly create: (handle: Database.Database) => void;
    /** Throws, or says why, when the content of an existing file cannot be used. */
    readonly check: (handle: Database.Database) => SetAside['why'] | undefined;
    readonly nowMs: number;
    /** What is in it can be had again: then a sector that cannot be read is reason enough to begin anew. */
    readonly isCopy?: true;
  },
): { readonly handle: Database.Database; readonly setAside: SetAside | undefined } {
  const why = tryOpen(path, options);
  if (typeof why === 'object') return { handle: why, setAside: undefined };
  const setAside = why === 'missing' ? undefined : moveAside(path, why, options.nowMs);
  const handle = createSqliteFile(path, options);
  handle.transaction(() => {
    options.create(handle);
    handle.pragma(`application_id = ${options.applicationId}`);
  })();
  return { handle, setAside };
}

function tryOpen(path: string, options: Parameters<typeof openOrRebuild>[1]): Database.Database | SetAside['why'] {
  let handle: Database.Database | undefined;
  try {
    handle = openSqliteFile(path, options);
    const problem = options.check(handle);
    if (problem === undefined) return handle;
    handle.close();
    return problem;
  } catch (error) {
    handle?.close();
    const trouble = options.isCopy && isBadSector(error) ? 'damaged' : troubleOf(error);
    if (trouble === undefined || !CURABLE.includes(trouble)) throw error;
    return trouble;
  }
}

const ASIDE = '.set-aside-';
const COMPANIONS = ['', '-wal', '-shm'];

/** Removes what was set aside before, but for the newest ones: copies must not fill the disk. */
export function removeAside(path: string, keep: number): void {
  const folder = dirname(path);
  const found = readdirSync(folder).filter(name => name.startsWith(basename(path) + ASIDE) && /-\d+$/.test(name));
  for (const name of found.toSorted().slice(0, Math.max(found.length - keep, 0))) removeDatabase(join(folder, name));
}

/** With its companions. It must be closed. */
export function removeDatabase(path: string): void {
  for (const suffix of COMPANIONS) rmSync(path + suffix, { recursive: true, force: true });
}

/** The -wal belongs to its database and goes with it; the -shm is an index that SQLite makes anew. */
export function moveAside(path: string, why: SetAside['why'], nowMs: number): SetAside {
  const aside = path + ASIDE + nowMs;
  for (const suffix of COMPANIONS) {
    if (fileAt(path + suffix) !== undefined) renameSync(path + suffix, aside + suffix);
  }
  return { path: aside, why };
}
