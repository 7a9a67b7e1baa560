import { type DatabaseTrouble, DatabaseUnavailable } from '../../errors.ts';
import { createDatabase, grant, PACKET_WANTED_BYTES, PRIMARY_RIGHTS, SECONDARY_RIGHTS } from './sql-words.ts';

/** The database answered a statement with an error. Holds no statement: values of rows would be in it. */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  /** MySQL's and MariaDB's number of it: the same in both, and the same in every language. */
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(message);
    this.errno = errno;
  }
}

/** The connection is gone, or was given up. What it was told last may have been done, or not. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  /** It did not end: no answer came within the deadline. */
  readonly silent: boolean;

  constructor(
    message: string,
    { silent = false, cause }: { readonly silent?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.silent = silent;
  }
}

/**
 * ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK (also: refused by a Galera cluster, at COMMIT too), ER_CHECKREAD,
 * ER_TRANSACTION_ROLLBACK_DURING_COMMIT (refused by an InnoDB Cluster).
 */
const CONFLICTS: readonly number[] = [1205, 1213, 1020, 3101];

/** Another transaction was in the way: the same once more may well go through. */
export function isConflict(error: unknown): boolean {
  return error instanceof SqlError && CONFLICTS.includes(error.errno);
}

/** The node of a cluster lost the others in the middle of a COMMIT, and nobody here knows what they have made of it. */
export function isUndecided(error: unknown): boolean {
  return error instanceof SqlError && UNDECIDED.includes(error.errno);
}

/**
 * This row never, whatever is tried: 1048 ER_BAD_NULL_ERROR, 1138 ER_INVALID_USE_OF_NULL, 1264 ER_WARN_DATA_OUT_OF_RANGE,
 * 1265 WARN_DATA_TRUNCATED, 1292 ER_TRUNCATED_WRONG_VALUE, 1300 ER_INVALID_CHARACTER_STRING, 1364 ER_NO_DEFAULT_FOR_FIELD,
 * 1366 ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, 1406 ER_DATA_TOO_LONG, 1690 ER_DATA_OUT_OF_RANGE, 3819 ER_CHECK_CONSTRAINT_VIOLATED
 * (MySQL), 4025 ER_CONSTRAINT_FAILED (MariaDB).
 */
const REFUSALS: readonly number[] = [1048, 1138, 1264, 1265, 1292, 1300, 1364, 1366, 1406, 1690, 3819, 4025];

export function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof SqlError) || !REFUSALS.includes(error.errno)) return undefined;
  return `SQL ${error.errno}`;
}

/** A statement of a schema that has been run before: ER_TABLE_EXISTS_ERROR, ER_DUP_FIELDNAME, ER_DUP_KEYNAME. */
export function isDoneAlready(error: unknown): boolean {
  return error instanceof SqlError && [1050, 1060, 1061].includes(error.errno);
}

export const ER_DUP_ENTRY = 1062;
/** ER_ERROR_DURING_COMMIT (Galera), ER_RUN_HOOK_ERROR (InnoDB Cluster). */
const UNDECIDED: readonly number[] = [1180, 3100];
const ER_NET_PACKET_TOO_LARGE = 1153;
const ER_BAD_DB = 1049;
const ER_DBACCESS_DENIED = 1044;
/** ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR, ER_SPECIFIC_ACCESS_DENIED_ERROR. */
export const RIGHT_LACKS: readonly number[] = [ER_DBACCESS_DENIED, 1142, 1143, 1227];
/** ER_OPTION_PREVENTS_STATEMENT (read_only, super_read_only), ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, ER_READ_ONLY_MODE. */
export const READ_ONLY: readonly number[] = [1290, 1792, 1836];
/** ER_UNKNOWN_COM_ERROR (Galera); ER_GRP_TRX_CONSISTENCY_… (InnoDB Cluster). */
const OUT_OF_CLUSTER: readonly number[] = [1047, 3796, 3797, 3798, 3799];

/**
 * The session's rights, or the server that it was led to, are not what is wanted. MariaDB gives a session its rights on a database
 * once, and a proxy chooses a member of a cluster once: only a new connection can be better.
 */
export function isMisled(error: unknown): boolean {
  return error instanceof SqlError && [...RIGHT_LACKS, ...READ_ONLY, ...OUT_OF_CLUSTER].includes(error.errno);
}

type Words = { readonly trouble: DatabaseTrouble; readonly words: string };

/** What the server says with an error number, and what it means for who runs it. */
const MEANINGS: readonly (Words & { readonly of: readonly number[] })[] = [
  {
    of: [1045, 1698, 4151, 3118],
    trouble: 'refused',
    words:
      'it refuses the account or its password; look at the account, and at where the password comes from: the URL, its password-file, or the variable THINMAN_DATABASE_PASSWORD of this process',
  },
  { of: [1820, 1862], trouble: 'refused', words: 'the password of the account has expired; set a new one' },
  { of: [3159], trouble: 'refused', words: 'it asks for TLS; add ?ssl-ca=FILE to the database URL' },
  { of: [1130], trouble: 'refused', words: 'it lets no account in from this host; look at the HOST of the account' },
  { of: [1129], trouble: 'refused', words: 'it has blocked this host after failed connections; run FLUSH HOSTS there' },
  { of: [ER_DBACCESS_DENIED], trouble: 'refused', words: 'the account may not use it, or there is no such database' },
  { of: RIGHT_LACKS, trouble: 'refused', words: 'the account lacks a right' },
  {
    of: READ_ONLY,
    trouble: 'read_only',
    words: 'it is read-only: a demoted Master? Writing works on the Master alone',
  },
  { of: [ER_BAD_DB], trouble: 'missing', words: 'there is no database of this name (yet)' },
  { of: [1146], trouble: 'no_site', words: 'it holds no site (yet)' },
  { of: [1054], trouble: 'foreign', words: 'its tables are those of another program, or of another version' },
  { of: [126, 127, 144, 145, 1034, 1194, 1195, 1712, 1932], trouble: 'damaged', words: 'a table of it is damaged' },
  { of: [3, 1021, 1026, 1114, 1598], trouble: 'full', words: 'it cannot write: its disk is full, or fails' },
  { of: [1037, 1038, 1041, 5], trouble: 'full', words: 'it has no memory left' },
  { of: [1040, 1203, 1226], trouble: 'busy', words: 'it takes no more connections; raise max_connections' },
  { of: CONFLICTS, trouble: 'busy', words: 'another transaction was in the way for too long; try again' },
  {
    of: OUT_OF_CLUSTER,
    trouble: 'unreachable',
    words: 'this node is no working part of its cluster now',
  },
  {
    of: UNDECIDED,
    trouble: 'unreachable',
    words: 'it could not complete the transaction: as one node of a cluster, it may have lost the others',
  },
  {
    of: [ER_NET_PACKET_TOO_LARGE],
    trouble: 'refused',
    words: `it takes no statement of this length; raise max_allowed_packet to ${PACKET_WANTED_BYTES} or more`,
  },
  {
    of: [1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 1969, 3024, 3032, 4031],
    trouble: 'unreachable',
    words: 'it ended the connection',
  },
];

export type AtHand = {
  /** How the database is named to people. */
  readonly where: string;
  readonly database: string;
  /** USER@HOST; undefined: no connection was made yet. */
  readonly account: string | undefined;
  readonly readOnly: boolean;
};

/** It lets the account in, and not into the database: who the account is there can still be asked. */
export function isKeptOut(error: unknown): boolean {
  return error instanceof SqlError && (error.errno === ER_BAD_DB || error.errno === ER_DBACCESS_DENIED);
}

/** The trouble of the database behind this error; undefined: there is none, and whoever runs `work` knows the error. */
export function unavailableBy(error: unknown, at: AtHand): DatabaseUnavailable | undefined {
  const { where } = at;
  if (error instanceof ConnectionLost)
    return new DatabaseUnavailable(
      'unreachable',
      `${where}: ${error.message}; look whether it runs, and at host, port and network`,
      error,
    );
  if (!(error instanceof SqlError)) return undefined;
  const meaning = meaningOf(error);
  if (meaning === undefined) return undefined;
  const { trouble, words } = meaning;
  const mend = mendOf(error.errno, at);
  const text = `${where}: ${words} (${error.errno}: ${error.message})${mend === undefined ? '' : `. Run there: ${mend}`}`;
  return new DatabaseUnavailable(trouble, text, error);
}

/** Whatever it says to a login, and in whatever number: there is no connection, and no statement of ours was at fault. */
export function refusalToConnect(error: unknown): unknown {
  if (!(error instanceof SqlError) || meaningOf(error) !== undefined) return error;
  return new ConnectionLost(`it refuses the connection: ${error.message} (${error.errno})`, { cause: error });
}

function meaningOf({ errno }: SqlError): Words | undefined {
  return MEANINGS.find(({ of }) => of.includes(errno));
}

function mendOf(errno: number, { database, account, readOnly }: AtHand): string | undefined {
  const rights = readOnly ? SECONDARY_RIGHTS : PRIMARY_RIGHTS;
  const granting = account === undefined ? [] : [grant(rights, database, account)];
  // A Secondary's may come by replication, which stops at a database that is there already.
  const creating = readOnly ? [] : [createDatabase(database)];
  if (errno === ER_BAD_DB) return inOneLine([...creating, ...granting]);
  // Who has no right on a name is not told whether it exists.
  if (errno === ER_DBACCESS_DENIED) return inOneLine([...granting, ...creating]);
  return RIGHT_LACKS.includes(errno) ? inOneLine(granting) : undefined;
}

function inOneLine(statements: readonly string[]): string | undefined {
  return statements.length === 0 ? undefined : statements.join(' ');
}
