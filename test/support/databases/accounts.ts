import type { DatabaseServer } from './database-server.ts';

export type Account = { readonly user: string; readonly password: string };

export type SiteAccounts = {
  readonly database: string;
  readonly primary: Account;
  readonly secondary: Account;
};

/** As `docs/operations.md` has it: the Primary reads, writes and migrates its one database; a Secondary reads. */
const PRIMARY_RIGHTS = 'SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES';
const SECONDARY_RIGHTS = 'SELECT';

/** Makes the database and both accounts. On the master of a replication: the slave gets them from there. */
export async function createAccounts(server: DatabaseServer, accounts: SiteAccounts, require = 'NONE'): Promise<void> {
  const { database, primary, secondary } = accounts;
  await server.rootQuery(`CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`);
  await createAccount(server, primary, `${PRIMARY_RIGHTS} ON ${database}.*`, require);
  await createAccount(server, secondary, `${SECONDARY_RIGHTS} ON ${database}.*`, require);
}

/** `rights`: what follows GRANT, `SELECT ON x.*`. `require`: what follows REQUIRE, `X509`. */
export async function createAccount(
  server: DatabaseServer,
  { user, password }: Account,
  rights: string,
  require = 'NONE',
): Promise<void> {
  await server.rootQuery(`CREATE USER ?@'%' IDENTIFIED BY ? REQUIRE ${require}`, [user, password]);
  await server.rootQuery(`GRANT ${rights} TO ?@'%'`, [user]);
}
