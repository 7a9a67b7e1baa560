import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';

/** Waiting for a lock blocks the event loop; each file has one writer, so only an administrator's own tool can hold it. */
const BUSY_TIMEOUT_MS = 250;
/** Databases, their -wal and -shm hold credentials' keys: nobody else's. SQLite gives the two the file's own mode. */
const FILE_MODE = 0o600;

export type SqliteTrouble = 'missing' | 'empty' | 'damaged' | 'foreign' | 'busy' | 'full' | 'unreadable';

/** A file is not what it should be. */
class SqliteFileError extends Error {
  override readonly name = 'SqliteFileError';
  readonly trouble: SqliteTrouble;

  constructor(trouble: SqliteTrouble, path: string, cause?: unknown) {
    super(`${path}: ${trouble}`, { cause });
    this.trouble = trouble;
  }
}

const TROUBLE_OF_SQLITE: Readonly<Record<string, SqliteTrouble>> = {
  BUSY: 'busy',
  LOCKED: 'busy',
  PROTOCOL: 'busy',
  FULL: 'full',
  CORRUPT: 'damaged',
  NOTADB: 'damaged',
  IOERR: 'unreadable',
  CANTOPEN: 'unreadable',
  PERM: 'unreadable',
  READONLY: 'unreadable',
  AUTH: 'unreadable',
  NOLFS: 'unreadable',
};
const TROUBLE_OF_FILE: Readonly<Record<string, SqliteTrouble>> = {
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  ENOSPC: 'full',
  EDQUOT: 'full',
};

/** What is wrong with the file behind this error; undefined: the statement is at fault, or it is no error of a file. */
export function troubleOf(error: unknown): SqliteTrouble | undefined {
  if (error instanceof SqliteFileError) return error.trouble;
  if (!(error instanceof Database.SqliteError)) return undefined;
  // Of all its writes, SQLite says so of its -shm alone when there is no room for it.
  if (error.code === 'SQLITE_IOERR_SHMSIZE') return 'full';
  // Extended codes (`SQLITE_IOERR_WRITE`) mean what their first word says.
  return TROUBLE_OF_SQLITE[error.code.split('_')[1] ?? ''];
}

/** A sector of the disk that cannot be read: to whoever needs what was on it, a bad page. */
export function isBadSector(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_IOERR_(?:READ|SHORT_READ|DATA|CORRUPTFS)$/.test(error.code);
}

/** SQLite works, but will not take this row. */
export function refusalOf(error: unknown): string | undefined {
  // The driver refuses values that are no SQL values (undefined, objects) before SQLite sees them.
  if (error instanceof TypeError || error instanceof RangeError) return error.name;
  if (!(error instanceof Database.SqliteError)) return undefined;
  return /^SQLITE_(?:CONSTRAINT|TOOBIG|MISMATCH|RANGE)/.test(error.code) ? error.code : undefined;
}

/** Which file a path leads to; another one after it was deleted, replaced or restored. undefined: none. */
export function fileAt(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev}:${found.ino}`;
}

export type OpenSqliteFile = {
  /** Written into the file's header by `createSqliteFile`: what it is a database of. */
  readonly applicationId: number;
  readonly readOnly?: boolean;
};

/**
 * Opens an existing database in WAL mode, every commit on disk before it returns. Throws (see `troubleOf`) when the file is
 * missing, empty, damaged, or not what `applicationId` says.
 *
 * Never opens the file itself beside SQLite: closing such a descriptor would drop SQLite's locks on it.
 */
export function openSqliteFile(path: string, { applicationId, readOnly = false }: OpenSqliteFile): Database.Database {
  return withFileErrors(path, () => {
    const found = statSync(path);
    if (!found.isFile()) throw new SqliteFileError('foreign', path);
    // A file of zero bytes is a valid, empty database to SQLite.
    if (found.size === 0) throw new SqliteFileError('empty', path);
    return connect(path, readOnly, found => {
      if (found === applicationId) return;
      throw new SqliteFileError(found === 0 ? 'empty' : 'foreign', path);
    });
  });
}

/** Opens a database to be filled, making the file if there is none. Throws `foreign` if it is a database of another kind. */
export function createSqliteFile(path: string, { applicationId }: OpenSqliteFile): Database.Database {
  return withFileErrors(path, () => {
    if (fileAt(path) === undefined) closeSync(openSync(path, 'wx', FILE_MODE));
    return connect(path, false, found => {
      if (found !== 0 && found !== applicationId) throw new SqliteFileError('foreign', path);
    });
  });
}

function withFileErrors<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (troubleOf(error) !== undefined || !(error instanceof Error) || !('code' in error)) throw error;
    throw new SqliteFileError(TROUBLE_OF_FILE[String(error.code)] ?? 'unreadable', path, error);
  }
}

function connect(path: string, readonly: boolean, check: (applicationId: number) => void): Database.Database {
  const handle = new Database(path, { readonly, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  try {
    // The first statement: garbage opens without an error and fails here.
    check(handle.pragma('application_id', { simple: true }) as number);
    if (!readonly) {
      restrict(path);
      handle.pragma('journal_mode = WAL');
      // Compiled to NORMAL in WAL mode: without this, what was acknowledged is lost with the power.
      handle.pragma('synchronous = FULL');
    }
    return handle;
  } catch (error) {
    handle.close();
    throw error;
  }
}

function restrict(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    if (fileAt(file) !== undefined) chmodSync(file, FILE_MODE);
  }
}
