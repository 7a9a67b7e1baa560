// What a redundant site stands on: one database for both servers (HALF), or a master and a slave that follows it (FULL).
import { join } from 'node:path';
import { createAccounts, type SiteAccounts } from './databases/accounts.ts';
import type { DatabaseKind, DatabaseServer, DatabaseTls } from './databases/database-server.ts';
import { type DatabasePair, startDatabaseOf, startPair } from './databases/replication.ts';
import { createDatabaseTls } from './databases/tls.ts';
import { createNetwork, type Network, type NetworkOptions } from './network/network.ts';
import type { Surroundings } from './system-test.ts';

export type Half = Surroundings & { readonly database: DatabaseServer; readonly network: Network | undefined };
export type Full = Surroundings & { readonly pair: DatabasePair; readonly network: Network | undefined };

/** Each server and each database is a machine of its own on a `network`; else all of them are this one. */
export type Apart = boolean | NetworkOptions;

export const ACCOUNTS: SiteAccounts = {
  database: 'thinman',
  primary: { user: 'thinman', password: 'the-primarys-database-password' },
  secondary: { user: 'thinman_read', password: 'the-secondarys-database-password' },
};

/** Networks of tests are nobody else's: their databases go without TLS, unless it is what is tested. */
export const urlOf = (server: DatabaseServer, role: 'primary' | 'secondary', tls?: DatabaseTls) =>
  `${server.url(ACCOUNTS[role].user, ACCOUNTS[role].password, ACCOUNTS.database)}?${tls === undefined ? 'ssl=off' : `ssl-ca=${tls.caFile}`}`;

/** Starts the database of both servers in `folder`. */
export async function surroundHalf(
  folder: string,
  kind: DatabaseKind = 'mariadb',
  apart: Apart = false,
): Promise<Half> {
  await using unfinished = new AsyncDisposableStack();
  const network = unfinished.use(await networkOf(['primary', 'secondary', 'database'], apart));
  const place = placeOf(network, 'database');
  const database = unfinished.use(await startDatabaseOf(kind, { folder: join(folder, 'database'), ...place }));
  await createAccounts(database, ACCOUNTS);
  const owned = unfinished.move();
  return {
    ...{ database, network, ...hostsOf(network) },
    databases: { primary: urlOf(database, 'primary'), secondary: urlOf(database, 'secondary') },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts a master and its slave in `folder`. `secured`: the servers reach them by TLS alone; for this machine's own address. */
export async function surroundFull(
  folder: string,
  kind: DatabaseKind = 'mariadb',
  apart: Apart = false,
  secured = false,
): Promise<Full> {
  await using unfinished = new AsyncDisposableStack();
  const network = unfinished.use(await networkOf(['primary', 'secondary', 'master', 'slave'], apart));
  const tls = secured ? await createDatabaseTls(join(folder, 'database-tls')) : undefined;
  const withTls = tls && { tls };
  const [master, slave] = [
    { ...placeOf(network, 'master'), ...withTls },
    { ...placeOf(network, 'slave'), ...withTls },
  ];
  const pair = unfinished.use(await startPair(kind, { folder: join(folder, 'databases'), master, slave }));
  await createAccounts(pair.master, ACCOUNTS, secured ? 'SSL' : 'NONE');
  await pair.waitUntilAligned();
  const owned = unfinished.move();
  return {
    ...{ pair, network, ...hostsOf(network) },
    databases: { primary: urlOf(pair.master, 'primary', tls), secondary: urlOf(pair.slave, 'secondary', tls) },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function networkOf(hosts: readonly string[], apart: Apart): Promise<Network | undefined> {
  return apart === false ? undefined : createNetwork(hosts, apart === true ? {} : apart);
}

function placeOf(network: Network | undefined, name: string) {
  if (network === undefined) return {};
  const { address, command } = network.host(name);
  return { bindAddress: address, inside: { command } };
}

const hostsOf = (network: Network | undefined) =>
  network === undefined ? {} : { hosts: { primary: network.host('primary'), secondary: network.host('secondary') } };
