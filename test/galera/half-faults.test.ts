import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAdministration } from '../support/administration-load.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { type OnGalera, surroundGalera } from '../support/galera-site.ts';
import { expectHealed, whileLoggingIn } from '../support/redundant-faults.ts';
import { ACCOUNTS } from '../support/redundant-site.ts';
import { inTurn } from '../support/redundant-test.ts';
import type { Site } from '../support/site.ts';
import { onSiteIn } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';

/** Node 1 is the one that the proxy uses, as long as it is there. */
const [IN_USE, IN_RESERVE] = [0, 2] as const;

type Fault = {
  readonly name: string;
  readonly node: number;
  fail(node: DatabaseServer): Promise<void>;
  heal(node: DatabaseServer): Promise<void>;
};

const killed = { fail: (node: DatabaseServer) => node.kill(), heal: (node: DatabaseServer) => node.restart() };
const hung = { fail: (node: DatabaseServer) => node.freeze(), heal: async (node: DatabaseServer) => node.thaw() };

const FAULTS: readonly Fault[] = [
  { name: 'the node in use is killed', node: IN_USE, ...killed },
  { name: 'the node in use hangs', node: IN_USE, ...hung },
  { name: 'another node is killed', node: IN_RESERVE, ...killed },
  { name: 'another node hangs', node: IN_RESERVE, ...hung },
];

const TIMEOUT_MS = 300_000;

test('HALF on Galera behind HAProxy', { timeout: TIMEOUT_MS }, t =>
  onSiteIn(surroundGalera, { agents: ['tc-1', 'tc-2'] }, async (site, on) => {
    const faults = FAULTS.map(fault => [
      `${fault.name}: users log in, administration goes on`,
      () => survive(site, on, fault),
    ]);
    await inTurn(t, Object.fromEntries(faults), []);
    const forked = (await site.primary.events()).filter(
      ({ type, data }) => type === 'server.state' && data.why === 'forked',
    );
    assert.deepEqual(forked, []);
  }),
);

async function survive(site: Site, { cluster }: OnGalera, fault: Fault): Promise<void> {
  const node = cluster.nodes[fault.node];
  assert.ok(node !== undefined);
  const administration = startAdministration(site, fault.name.replaceAll(' ', '-'));
  let acknowledged: readonly string[] = [];
  await whileLoggingIn(site, async () => {
    await administration.goesOn();
    await fault.fail(node);
    await administration.goesOn();
    await fault.heal(node);
    await cluster.waitUntilSynced(node);
    await administration.goesOn();
    acknowledged = await administration.end();
    await expectHealed(site);
  });
  for (const each of cluster.nodes) await expectStored(each, acknowledged);
}

/** What one node has, with one commit for each generation. */
async function expectStored(node: DatabaseServer, groups: readonly string[]): Promise<void> {
  await waitFor(`node ${node.port} to have ${groups.length} groups`, async () => {
    const rows = await node.rootQuery(`SELECT name FROM ${ACCOUNTS.database}.objects WHERE kind = 'UserGroup'`);
    const names = new Set(rows.map(({ name }) => name));
    return groups.every(group => names.has(group)) || undefined;
  });
  const [row] = await node.rootQuery(
    `SELECT COUNT(*) AS commits, MAX(c.generation) AS newest, MAX(s.generation) AS site
     FROM ${ACCOUNTS.database}.commits c, ${ACCOUNTS.database}.site s`,
  );
  assert.ok(row !== undefined);
  assert.deepEqual([row.commits, row.newest], [row.site, row.site]);
}
