import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterFault, expectNoFork, survive } from '../support/cluster-faults.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { type OnInnodbCluster, surroundInnodbCluster } from '../support/innodb-cluster-site.ts';
import { isDegraded } from '../support/redundant-faults.ts';
import { inTurn } from '../support/redundant-test.ts';
import type { Site } from '../support/site.ts';
import { onSiteIn } from '../support/system-test.ts';

const TIMEOUT_MS = 450_000;

const killed = { fail: (member: DatabaseServer) => member.kill(), heal: (member: DatabaseServer) => member.restart() };
const hung = {
  fail: (member: DatabaseServer) => member.freeze(),
  heal: async (member: DatabaseServer) => member.thaw(),
};

test('HALF on an InnoDB Cluster behind MySQL Router', { timeout: TIMEOUT_MS }, t =>
  onSiteIn(surroundInnodbCluster, { agents: ['tc-1', 'tc-2'] }, async (site, on) => {
    const faults = faultsOn(site, on).map(fault => [
      `${fault.name}: users log in, administration goes on`,
      () => survive(site, on.cluster.members, fault),
    ]);
    await inTurn(t, Object.fromEntries(faults), []);
    await expectNoFork(site);
  }),
);

function faultsOn(site: Site, { cluster, router }: OnInnodbCluster): readonly ClusterFault[] {
  /** Who takes writes changes with the faults: it is asked for when one begins. */
  const onMember = (
    name: string,
    which: () => Promise<DatabaseServer>,
    { fail, heal }: typeof killed,
  ): ClusterFault => {
    let member: DatabaseServer | undefined;
    return {
      name,
      fail: async () => {
        member = await which();
        await fail(member);
      },
      heal: async () => {
        assert.ok(member !== undefined);
        await heal(member);
        await cluster.waitUntilOnline(member);
      },
    };
  };
  const another = async () => {
    const primary = await cluster.primary();
    const found = cluster.members.find(member => member !== primary);
    assert.ok(found !== undefined);
    return found;
  };
  return [
    onMember('the member in use is killed', cluster.primary, killed),
    onMember('the member in use hangs', cluster.primary, hung),
    onMember('another member is killed', another, killed),
    onMember('another member hangs', another, hung),
    onMember('the member in use has to leave the group', cluster.primary, {
      fail: async member => void (await member.rootQuery('STOP GROUP_REPLICATION')),
      heal: async member => void (await member.rootQuery('START GROUP_REPLICATION')),
    }),
    {
      // Nobody reaches the database by then: what comes after a while must find it by itself.
      name: 'the Router is killed and started again',
      fail: async () => {
        await router.kill();
        await site.primary.waitForStatus('to be degraded', isDegraded);
        await router.restart();
      },
      heal: async () => {},
    },
  ];
}
