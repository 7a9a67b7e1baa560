import { type SqliteTrouble, troubleOf } from '../record/dialects/sqlite-file.ts';

/**
 * What kept an entry from being written: the disk's or the file's trouble (`full`, `unreadable`, `damaged`, …); `limit`: as
 * much waits as may; `refused`: this one entry cannot be written at all.
 */
export type JournalTrouble = SqliteTrouble | 'limit' | 'refused';

/** What waits has reached its limit, and nothing that could go early is left. */
export class JournalAtLimit extends Error {
  override readonly name = 'JournalAtLimit';
}

/** What happened could not be written down: nothing that needs an event may be answered. */
export class JournalUnavailable extends Error {
  override readonly name = 'JournalUnavailable';
  readonly code = 'journal_unavailable';
  readonly trouble: JournalTrouble;

  constructor(cause: unknown) {
    const trouble = journalTroubleOf(cause) ?? 'refused';
    super(`the journal cannot take this entry: ${trouble}`, { cause });
    this.trouble = trouble;
  }
}

/** Trouble that every other entry would meet as well; undefined: the entry is at fault. */
export function journalTroubleOf(error: unknown): Exclude<JournalTrouble, 'refused'> | undefined {
  return error instanceof JournalAtLimit ? 'limit' : troubleOf(error);
}

/** The file was written by a newer version of ThinMan, and nothing was done to it. Exit code 2; the text says what to do. */
export class JournalOfNewerVersion extends Error {
  override readonly name = 'JournalOfNewerVersion';
  readonly code = 'journal_of_newer_version';

  constructor(path: string) {
    super(`${path} was written by a newer version of ThinMan; install that version again`);
  }
}
