// Tests on a site whose servers stand on real databases: HALF (one for both) and FULL (a master, and a slave that follows it).
import { type TestContext, test } from 'node:test';
import type { DatabaseKind } from './databases/database-server.ts';
import type { Processes } from './processes.ts';
import { type Apart, type Full, type Half, surroundFull, surroundHalf } from './redundant-site.ts';
import type { Site } from './site.ts';
import { onSiteIn, type SystemTestOptions } from './system-test.ts';

export type Redundancy = 'half' | 'full';

export type RedundantOptions = Omit<SystemTestOptions, 'wires'> & {
  readonly kind?: DatabaseKind;
  /** FULL: the servers reach their databases by TLS alone. */
  readonly secured?: boolean;
  /** Needs root. */
  readonly apart?: Apart;
  /** Of the whole test, with the making of its site. Default: the runner's. */
  readonly timeoutMs?: number;
};

type Body<S> = (site: Site, on: S, processes: Processes) => Promise<void>;

/** One database for both servers. */
export function halfTest(name: string, options: RedundantOptions, body: Body<Half>): void {
  test(`HALF on ${options.kind ?? 'mariadb'}: ${name}`, timeoutOf(options), () => onHalf(options, body));
}

/** A database for each server, by replication. */
export function fullTest(name: string, options: RedundantOptions, body: Body<Full>): void {
  test(`FULL on ${options.kind ?? 'mariadb'}: ${name}`, timeoutOf(options), () => onFull(options, body));
}

/** Several tests one after the other on one site, which each of them leaves running. */
export function halfTests(
  about: string,
  options: RedundantOptions,
  bodies: Readonly<Record<string, Body<Half>>>,
): void {
  test(`HALF on ${options.kind ?? 'mariadb'}: ${about}`, timeoutOf(options), t =>
    onHalf(options, (...given) => inTurn(t, bodies, given)),
  );
}

export function fullTests(
  about: string,
  options: RedundantOptions,
  bodies: Readonly<Record<string, Body<Full>>>,
): void {
  test(`FULL on ${options.kind ?? 'mariadb'}: ${about}`, timeoutOf(options), t =>
    onFull(options, (...given) => inTurn(t, bodies, given)),
  );
}

const timeoutOf = ({ timeoutMs }: RedundantOptions) => (timeoutMs === undefined ? {} : { timeout: timeoutMs });

/** Parts of one test: none is run after one that failed, as what it left behind says nothing about those after it. */
export async function inTurn<A extends readonly unknown[]>(
  t: TestContext,
  bodies: Readonly<Record<string, (...given: A) => Promise<void>>>,
  given: A,
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

const onHalf = ({ kind = 'mariadb', apart = false, secured: _none, ...options }: RedundantOptions, body: Body<Half>) =>
  onSiteIn(folder => surroundHalf(folder, kind, apart), options, body);

const onFull = ({ kind = 'mariadb', apart = false, secured = false, ...options }: RedundantOptions, body: Body<Full>) =>
  onSiteIn(folder => surroundFull(folder, kind, apart, secured), options, body);
