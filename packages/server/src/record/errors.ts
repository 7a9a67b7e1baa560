/**
 * Why the source of record cannot be used now.
 * - `unreachable`: no connection, or none within the deadline. `missing`: the file of an embedded database is not there.
 * - `no_site`: a database without a site in it (not initialised yet, or not replicated yet).
 * - `damaged`: it cannot be read as a database. `foreign`: it is one, but not a ThinMan source of record.
 * - `busy`: another process holds its lock. `full`: no room on its disk. `refused`: it lets us in, but not do this.
 * - `read_only`: it can be read, and refuses to be written. `unfit`: it would lose what it has acknowledged, or the account
 *   cannot do what the Primary's must.
 * - `forked`: it lacks what was seen of it. `other_site`: it holds another site than the server's.
 * - `older_schema`, `newer_schema`: written by a version of ThinMan that this one does not work with.
 */
export type DatabaseTrouble =
  | 'unreachable'
  | 'missing'
  | 'no_site'
  | 'damaged'
  | 'foreign'
  | 'busy'
  | 'full'
  | 'refused'
  | 'read_only'
  | 'unfit'
  | 'forked'
  | 'other_site'
  | 'older_schema'
  | 'newer_schema';

/** The database behind a server cannot be used now. Its text is fit for administrators and holds no credentials. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
  readonly code = 'database_unavailable';
  readonly trouble: DatabaseTrouble;

  constructor(trouble: DatabaseTrouble, message: string, cause?: unknown) {
    super(message, { cause });
    this.trouble = trouble;
  }
}

/** A file that the database URL names cannot be read. To a server that runs it is like any refusal: it may come back. */
export class DatabaseFileUnreadable extends DatabaseUnavailable {
  constructor(file: string, code: string | undefined) {
    super('refused', `${file}, which the database URL names, cannot be read (${code})`);
  }
}

/** Something about a database that an administrator of it should mend. */
export type DatabaseFinding = {
  /** What it is, in words that go on from "database NAME at HOST: ". */
  readonly what: string;
  /** SQL statements to run there, each to its `;`. */
  readonly mend: readonly string[];
};

export function describeFinding(where: string, { what, mend }: DatabaseFinding): string {
  return `${where}: ${what}. Run there: ${mend.join(' ')}`;
}

/** A database that a Primary does not use: it would lose what it has acknowledged, or the account cannot do what it must. */
export class DatabaseUnfit extends DatabaseUnavailable {
  readonly finding: DatabaseFinding;
  readonly where: string;

  constructor(where: string, finding: DatabaseFinding) {
    super('unfit', describeFinding(where, finding));
    this.where = where;
    this.finding = finding;
  }
}

/** `initialise` found a site in the database: it is never overwritten. */
export class SiteExists extends Error {
  override readonly name = 'SiteExists';
  readonly code = 'site_exists';
}

/** The database URL of the configuration cannot mean anything here. Its text names no password. */
export class BadDatabaseUrl extends Error {
  override readonly name = 'BadDatabaseUrl';
  readonly code = 'bad_database_url';
}
