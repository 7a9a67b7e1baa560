// HALF on one database that is highly available by itself: what fails in it is noticed by nobody who logs in or administers.
import assert from 'node:assert/strict';
import { type AdministrationLoad, whileAdministering } from './administration-load.ts';
import type { DatabaseServer } from './databases/database-server.ts';
import { expectHealed, whileLoggingIn } from './redundant-faults.ts';
import { ACCOUNTS } from './redundant-site.ts';
import type { Site } from './site.ts';
import { waitFor } from './wait.ts';

export type ClusterFault = {
  readonly name: string;
  /** Before it fails; users and administrators are at work already. */
  prepare?(administration: AdministrationLoad): Promise<void>;
  fail(): Promise<void>;
  /** Until all of the cluster works together again. */
  heal(): Promise<void>;
};

/** Users log in and administration goes on all the while; afterwards each of the `nodes` has all that was acknowledged. */
export async function survive(site: Site, nodes: readonly DatabaseServer[], fault: ClusterFault): Promise<void> {
  let acknowledged: readonly string[] = [];
  await whileLoggingIn(site, async () => {
    acknowledged = await whileAdministering(site, fault.name.replaceAll(' ', '-'), async administration => {
      await administration.goesOn();
      await fault.prepare?.(administration);
      await fault.fail();
      await administration.goesOn();
      await fault.heal();
      await administration.goesOn();
    });
    await expectHealed(site);
  });
  for (const node of nodes) await expectStored(node, acknowledged);
}

/** A database that was taken for a restored backup has told so. */
export async function expectNoFork(site: Site): Promise<void> {
  const forked = (await site.primary.events()).filter(
    ({ type, data }) => type === 'server.state' && data.why === 'forked',
  );
  assert.deepEqual(forked, []);
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
