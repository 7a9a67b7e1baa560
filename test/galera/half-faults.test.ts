import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdministrationLoad } from '../support/administration-load.ts';
import { type ClusterFault, expectNoFork, survive } from '../support/cluster-faults.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import type { GaleraCluster } from '../support/databases/galera.ts';
import { type OnGalera, surroundGalera } from '../support/galera-site.ts';
import { ACCOUNTS } from '../support/redundant-site.ts';
import { inTurn } from '../support/redundant-test.ts';
import { onSiteIn } from '../support/system-test.ts';

/** Node 1 is the one that the proxy uses, as long as it is there. */
const [IN_USE, IN_RESERVE] = [0, 2] as const;

type Fault = Pick<ClusterFault, 'name'> & {
  readonly node: number;
  prepare?(cluster: GaleraCluster, administration: AdministrationLoad): Promise<void>;
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
  { name: 'the node in use is killed while the next one is behind', node: IN_USE, prepare: leaveBehind, ...killed },
];

/** What the next node has to apply before it comes to what is committed afterwards: for seconds it counts as synced, and is not. */
const LARGE_ROWS = 400_000;

async function leaveBehind({ nodes }: GaleraCluster, administration: AdministrationLoad): Promise<void> {
  const [inUse, next] = nodes;
  assert.ok(inUse !== undefined && next !== undefined);
  await inUse.rootScript(`
    CREATE DATABASE large;
    USE large;
    CREATE TABLE rows_of_it (number INT PRIMARY KEY, filling VARCHAR(200));
    INSERT INTO rows_of_it SELECT seq, REPEAT('x', 200) FROM seq_1_to_${LARGE_ROWS};
  `);
  await administration.goesOn();
  assert.ok((await generationOf(next)) < (await generationOf(inUse)), 'the next node is not behind');
}

async function generationOf(node: DatabaseServer): Promise<number> {
  const [row] = await node.rootQuery(`SELECT generation FROM ${ACCOUNTS.database}.site`);
  return Number(row?.generation);
}

const TIMEOUT_MS = 300_000;

test('HALF on Galera behind HAProxy', { timeout: TIMEOUT_MS }, t =>
  onSiteIn(surroundGalera, { agents: ['tc-1', 'tc-2'] }, async (site, on) => {
    const faults = FAULTS.map(fault => [
      `${fault.name}: users log in, administration goes on`,
      () => survive(site, on.cluster.nodes, faultOn(on, fault)),
    ]);
    await inTurn(t, Object.fromEntries(faults), []);
    await expectNoFork(site);
  }),
);

function faultOn({ cluster }: OnGalera, { name, node: index, prepare, fail, heal }: Fault): ClusterFault {
  const node = cluster.nodes[index];
  assert.ok(node !== undefined);
  return {
    name,
    prepare: async administration => await prepare?.(cluster, administration),
    fail: () => fail(node),
    heal: async () => {
      await heal(node);
      await cluster.waitUntilSynced(node);
    },
  };
}
