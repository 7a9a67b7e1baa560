import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AgentTimings, SiteSettingsBody } from '@thinman/protocol';
import { brokenInvariants } from './invariants.ts';
import type { Processes } from './processes.ts';
import { createScratch } from './scratch.ts';
import { createSite, type Site, type SiteOptions } from './site.ts';
import { FAST_TIMINGS } from './timings.ts';
import { GROUP, WARD } from './ward.ts';

/** Lines of each process's log that are shown when a test fails. */
const LOG_LINES = 25;

/** Above the hiccups of a busy machine: a server that is merely slow must not look like one that hangs. The demo has 300. */
const HEDGE_DELAY_MS = 1_000;

/** JSON is YAML. */
const settings = ({ timings, serverSettings: server = {} }: SystemTestOptions) =>
  JSON.stringify({
    kind: 'SiteSettings',
    name: 'site',
    body: { agent: timings ?? { ...FAST_TIMINGS, hedgeDelayMs: HEDGE_DELAY_MS }, server },
  });

export type SystemTestOptions = Pick<SiteOptions, 'wires'> & {
  /** Thin clients in the group of `ward.ts`, enrolled and started before the test begins. */
  readonly agents?: readonly string[];
  /** Of the agents, in place of the short ones that tests have otherwise; what is left out has the product's default. */
  readonly timings?: Partial<AgentTimings>;
  readonly serverSettings?: NonNullable<SiteSettingsBody['server']>;
  /** Why this cannot run here; false: it can. */
  readonly skip?: string | false;
};
type Options = SystemTestOptions;

type Body = (site: Site, processes: Processes) => Promise<void>;

/** What a site stands on that it does not make itself. */
export type Surroundings = AsyncDisposable & Pick<SiteOptions, 'databases' | 'hosts'>;

/**
 * A test on a site of real processes, made for it alone: both servers, thin clients, users and profiles of `ward.ts`, short
 * waits. Afterwards everything must run again: then the invariants are held against what the site recorded.
 */
export function systemTest(name: string, options: Options, body: Body): void {
  test(name, { skip: options.skip ?? false }, () => onSite(options, body));
}

/** Several tests one after the other on one site, which each of them leaves running. */
export function systemTests(about: string, options: Options, bodies: Readonly<Record<string, Body>>): void {
  test(about, { skip: options.skip ?? false }, t =>
    onSite(options, async (site, processes) => {
      for (const [name, body] of Object.entries(bodies)) await t.test(name, () => body(site, processes));
    }),
  );
}

async function onSite(options: Options, body: Body): Promise<void> {
  await onSiteIn(
    async () => ({ [Symbol.asyncDispose]: async () => {} }),
    options,
    (site, _surroundings, processes) => body(site, processes),
  );
}

/** A site of its own on what `surround` makes in its folder. Afterwards the invariants are held, and all of it is removed. */
export async function onSiteIn<S extends Surroundings>(
  surround: (folder: string) => Promise<S>,
  options: Options,
  body: (site: Site, surroundings: S, processes: Processes) => Promise<void>,
): Promise<void> {
  const { agents = ['tc-1'], wires = false } = options;
  await using scratch = createScratch('thinman-system-');
  const { folder, processes } = scratch;
  await using surroundings = await surround(folder);
  const { databases, hosts } = surroundings;
  let site: Site | undefined;
  try {
    site = await createSite({ folder, processes, wires, ...(databases && { databases }), ...(hosts && { hosts }) });
    await site.foundPrimary();
    await Promise.all([site.joinSecondary(), furnish(site, agents, settings(options))]);
    for (const agent of site.agents) {
      await agent.waitForStatus('to know both servers', ({ servers }) => servers.length === 2);
    }
    await body(site, surroundings, processes);
    await site.settle();
    assert.deepEqual(brokenInvariants(site.history, await site.primary.events()), []);
    // Before what they stand on.
    await processes.endAll();
  } catch (error) {
    showLogs(folder);
    throw error;
  } finally {
    await site?.wires?.primary[Symbol.asyncDispose]();
    await site?.wires?.secondary[Symbol.asyncDispose]();
  }
}

async function furnish(site: Site, agents: readonly string[], siteSettings: string): Promise<void> {
  await site.apply(`${siteSettings}\n---${WARD}`);
  for (const agent of agents) await (await site.addAgent(agent, GROUP)).start();
}

function showLogs(folder: string): void {
  for (const file of readdirSync(join(folder, 'logs')).filter(log => !log.includes('thinman'))) {
    const lines = readFileSync(join(folder, 'logs', file), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-LOG_LINES);
    console.error(`\n--- ${file}\n${lines.join('\n')}`);
  }
}
