// Tests on a site whose servers stand on real databases: HALF (one for both) and FULL (a master, and a slave that follows it).
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createAccounts, type SiteAccounts } from './databases/accounts.ts';
import type { DatabaseKind, DatabaseServer } from './databases/database-server.ts';
import { type DatabasePair, startDatabaseOf, startPair } from './databases/replication.ts';
import { createNetwork, type Network } from './network/network.ts';
import type { Processes } from './processes.ts';
import type { Site } from './site.ts';
import { onSiteIn, type Surroundings, type SystemTestOptions } from './system-test.ts';

export type Redundancy = 'half' | 'full';

export type RedundantOptions = Omit<SystemTestOptions, 'wires'> & {
  readonly kind?: DatabaseKind;
  /** Each server and each database is a machine of its own: `network`. Needs root. */
  readonly apart?: boolean;
};

export type Half = Surroundings & { readonly database: DatabaseServer; readonly network: Network | undefined };
export type Full = Surroundings & { readonly pair: DatabasePair; readonly network: Network | undefined };

type Body<S> = (site: Site, on: S, processes: Processes) => Promise<void>;

/** One database for both servers. */
export function halfTest(name: string, options: RedundantOptions, body: Body<Half>): void {
  test(`HALF on ${options.kind ?? 'mariadb'}: ${name}`, () => onHalf(options, body));
}

/** A database for each server, by replication. */
export function fullTest(name: string, options: RedundantOptions, body: Body<Full>): void {
  test(`FULL on ${options.kind ?? 'mariadb'}: ${name}`, () => onFull(options, body));
}

/** Several tests one after the other on one site, which each of them leaves running. */
export function halfTests(
  about: string,
  options: RedundantOptions,
  bodies: Readonly<Record<string, Body<Half>>>,
): void {
  test(`HALF on ${options.kind ?? 'mariadb'}: ${about}`, t => onHalf(options, (...given) => inTurn(t, bodies, given)));
}

export function fullTests(
  about: string,
  options: RedundantOptions,
  bodies: Readonly<Record<string, Body<Full>>>,
): void {
  test(`FULL on ${options.kind ?? 'mariadb'}: ${about}`, t => onFull(options, (...given) => inTurn(t, bodies, given)));
}

/** What a failed one left behind says nothing about those after it. */
async function inTurn<S>(
  t: TestContext,
  bodies: Readonly<Record<string, Body<S>>>,
  given: Parameters<Body<S>>,
): Promise<void> {
  for (const [name, body] of Object.entries(bodies)) {
    let failure: unknown;
    await t.test(name, () =>
      body(...given).catch(error => {
        failure = error;
        throw error;
      }),
    );
    if (failure !== undefined) throw failure;
  }
}

export const ACCOUNTS: SiteAccounts = {
  database: 'thinman',
  primary: { user: 'thinman', password: 'the-primarys-database-password' },
  secondary: { user: 'thinman_read', password: 'the-secondarys-database-password' },
};

/** Networks of tests are nobody else's: their databases go without TLS. */
const urlOf = (server: DatabaseServer, role: 'primary' | 'secondary') =>
  `${server.url(ACCOUNTS[role].user, ACCOUNTS[role].password, ACCOUNTS.database)}?ssl=off`;

const onHalf = ({ kind = 'mariadb', apart = false, ...options }: RedundantOptions, body: Body<Half>) =>
  onSiteIn(
    async (folder): Promise<Half> => {
      await using unfinished = new AsyncDisposableStack();
      const network = apart ? unfinished.use(await createNetwork(['primary', 'secondary', 'database'])) : undefined;
      const place = placeOf(network, 'database');
      const database = unfinished.use(await startDatabaseOf(kind, { folder: join(folder, 'database'), ...place }));
      await createAccounts(database, ACCOUNTS);
      const owned = unfinished.move();
      return {
        ...{ database, network, ...hostsOf(network) },
        databases: { primary: urlOf(database, 'primary'), secondary: urlOf(database, 'secondary') },
        [Symbol.asyncDispose]: () => owned.disposeAsync(),
      };
    },
    options,
    body,
  );

const onFull = ({ kind = 'mariadb', apart = false, ...options }: RedundantOptions, body: Body<Full>) =>
  onSiteIn(
    async (folder): Promise<Full> => {
      await using unfinished = new AsyncDisposableStack();
      const hosts = ['primary', 'secondary', 'master', 'slave'];
      const network = apart ? unfinished.use(await createNetwork(hosts)) : undefined;
      const [master, slave] = [placeOf(network, 'master'), placeOf(network, 'slave')];
      const pair = unfinished.use(await startPair(kind, { folder: join(folder, 'databases'), master, slave }));
      await createAccounts(pair.master, ACCOUNTS);
      await pair.waitUntilAligned();
      const owned = unfinished.move();
      return {
        ...{ pair, network, ...hostsOf(network) },
        databases: { primary: urlOf(pair.master, 'primary'), secondary: urlOf(pair.slave, 'secondary') },
        [Symbol.asyncDispose]: () => owned.disposeAsync(),
      };
    },
    options,
    body,
  );

function placeOf(network: Network | undefined, name: string) {
  if (network === undefined) return {};
  const { address, command } = network.host(name);
  return { bindAddress: address, inside: { command } };
}

const hostsOf = (network: Network | undefined) =>
  network === undefined ? {} : { hosts: { primary: network.host('primary'), secondary: network.host('secondary') } };
