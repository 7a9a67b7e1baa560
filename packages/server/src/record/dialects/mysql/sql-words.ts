/** What the account of the Primary's server needs on the database. */
export const PRIMARY_RIGHTS = ['CREATE', 'ALTER', 'INDEX', 'SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;
/** A Secondary reads, and nothing else. */
export const SECONDARY_RIGHTS = ['SELECT'] as const;

/** A statement holds 1 MiB of rows in at most 6 times as many bytes, or one object by itself: MariaDB's default (MySQL's is 64 MiB). */
export const PACKET_WANTED_BYTES = 16 * 1024 ** 2;

// SQL for people to run, with the names at hand.

export function createDatabase(database: string): string {
  return `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;`;
}

/** `account`: USER@HOST. */
export function grant(rights: readonly string[], database: string, account: string): string {
  return `GRANT ${rights.join(', ')} ON \`${database}\`.* TO ${quotedAccount(account)};`;
}

/** A right that belongs to no single database. */
export function grantEverywhere(right: string, account: string): string {
  return `GRANT ${right} ON *.* TO ${quotedAccount(account)};`;
}

export function revokeAll(account: string): string {
  return `REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${quotedAccount(account)};`;
}

/** A new account; its password is for people to choose. */
export function createUser(account: string): string {
  return `CREATE USER ${quotedAccount(account)} IDENTIFIED BY 'A-PASSWORD';`;
}

function quotedAccount(account: string): string {
  const at = account.lastIndexOf('@');
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  return `${quoted(account.slice(0, at))}@${quoted(account.slice(at + 1))}`;
}
