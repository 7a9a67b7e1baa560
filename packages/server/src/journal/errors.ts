import { type SqliteTrouble, troubleOf } from '../record/dialects/sqlite-file.ts';

/**
 * What happened could not be written down: nothing that needs an event may be answered. `trouble` is the disk's or the
 * file's (`full`, `unreadable`, `damaged`, …), or `refused` where this one entry cannot be written at all.
 */
export class JournalUnavailable extends Error {
  override readonly name = 'JournalUnavailable';
  readonly code = 'journal_unavailable';
  readonly trouble: SqliteTrouble | 'refused';

  constructor(cause: unknown) {
    const trouble = troubleOf(cause) ?? 'refused';
    super(`the journal cannot take this entry: ${trouble}`, { cause });
    this.trouble = trouble;
  }
}
