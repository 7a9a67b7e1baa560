import { errorCode } from '../error-code.ts';

/**
 * - `full`: no room on the disk; what was there is still there.
 * - `damaged`: the file, or a row of it, is not what this device wrote.
 * - `unavailable`: the file cannot be opened or written for another reason (read-only, I/O errors).
 */
export type CacheTroubleKind = 'full' | 'damaged' | 'unavailable';

/** The store could not do what was asked; nothing of it was done. To a user it is `cache_damaged`. */
export class CacheTrouble extends Error {
  override readonly name = 'CacheTrouble';
  readonly kind: CacheTroubleKind;
  constructor(kind: CacheTroubleKind, detail: string) {
    super(`the device's store is ${kind} (${detail})`);
    this.kind = kind;
  }
}

const FULL = /^(SQLITE_FULL|ENOSPC|EDQUOT)/;
/** A sector that cannot be read is a bad page as well. */
const DAMAGED = /^SQLITE_(CORRUPT|NOTADB|FORMAT|MISMATCH|ERROR$|IOERR_(READ|SHORT_READ|CORRUPTFS|DATA))/;
const UNAVAILABLE = /^(SQLITE_|E[A-Z]+$)/;

/** What an error of SQLite or of the file system means for the store. Defects of the program pass through: throws them. */
export function troubleOf(error: unknown): CacheTrouble {
  if (error instanceof CacheTrouble) return error;
  const code = errorCode(error);
  if (code === undefined) throw error;
  if (FULL.test(code)) return new CacheTrouble('full', code);
  // SQLITE_ERROR: the statements are constant, so a table that they name is not there.
  if (DAMAGED.test(code)) return new CacheTrouble('damaged', code);
  if (UNAVAILABLE.test(code)) return new CacheTrouble('unavailable', code);
  throw error;
}
