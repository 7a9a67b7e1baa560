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

/** The file was written by a newer version of ThinMan, and nothing was done to it. Exit code 2; the text says what to do. */
export class JournalOfNewerVersion extends Error {
  override readonly name = 'JournalOfNewerVersion';
  readonly code = 'journal_of_newer_version';

  constructor(path: string) {
    super(`${path} was written by a newer version of ThinMan; install that version again`);
  }
}
