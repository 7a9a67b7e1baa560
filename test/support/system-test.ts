import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
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
const SETTINGS = JSON.stringify({
  kind: 'SiteSettings',
  name: 'site',
  body: { agent: { ...FAST_TIMINGS, hedgeDelayMs: HEDGE_DELAY_MS } },
});

type Options = Pick<SiteOptions, 'wires'> & {
  /** Thin clients in the group of `ward.ts`, enrolled and started before the test begins. */
  readonly agents?: readonly string[];
};

type Body = (site: Site, processes: Processes) => Promise<void>;

/**
 * A test on a site of real processes, made for it alone: both servers, thin clients, users and profiles of `ward.ts`, short
 * waits. Afterwards everything must run again: then the invariants are held against what the site recorded.
 */
export function systemTest(name: string, options: Options, body: Body): void {
  test(name, () => onSite(options, body));
}

/** Several tests one after the other on one site, which each of them leaves running. */
export function systemTests(about: string, options: Options, bodies: Readonly<Record<string, Body>>): void {
  test(about, t =>
    onSite(options, async (site, processes) => {
      for (const [name, body] of Object.entries(bodies)) await t.test(name, () => body(site, processes));
    }),
  );
}

async function onSite({ agents = ['tc-1'], wires = false }: Options, body: Body): Promise<void> {
  await using scratch = createScratch('thinman-system-');
  const { folder, processes } = scratch;
  let site: Site | undefined;
  try {
    site = await createSite({ folder, processes, wires });
    await site.foundPrimary();
    await Promise.all([site.joinSecondary(), furnish(site, agents)]);
    for (const agent of site.agents) {
      await agent.waitForStatus('to know both servers', ({ servers }) => servers.length === 2);
    }
    await body(site, processes);
    await site.settle();
    assert.deepEqual(brokenInvariants(site.history, await site.primary.events()), []);
  } catch (error) {
    showLogs(folder);
    throw error;
  } finally {
    await site?.wires?.primary[Symbol.asyncDispose]();
    await site?.wires?.secondary[Symbol.asyncDispose]();
  }
}

async function furnish(site: Site, agents: readonly string[]): Promise<void> {
  await site.apply(`${SETTINGS}\n---${WARD}`);
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
