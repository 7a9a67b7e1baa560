import assert from 'node:assert/strict';
import type { DatabaseKind } from './databases/database-server.ts';
import { startLogins } from './login-load.ts';
import { expectLogin, inWords } from './logins.ts';
import type { Processes } from './processes.ts';
import { expectHealed, isServing, SERVER_SETTINGS } from './redundant-faults.ts';
import { fullTest, halfTest, type Redundancy, type RedundantOptions } from './redundant-test.ts';
import { RELEASES, type Release, updating } from './rolling-update.ts';
import type { Site } from './site.ts';
import { ALICE, BOB } from './ward.ts';

/** Two updates of two servers, and a site to be made before. */
const TIMEOUT_MS = 300_000;

const options = (kind: DatabaseKind): RedundantOptions => ({
  ...{ kind, agents: ['tc-1', 'tc-2', 'tc-3'], serverSettings: SERVER_SETTINGS, timeoutMs: TIMEOUT_MS },
});

/** Row 21 of failover.md on this kind of database. */
export function rollingUpdateTest(redundancy: Redundancy, kind: DatabaseKind): void {
  const name = 'the update of docs/operations.md, and back again, costs no login, no session and no event';
  if (redundancy === 'half') halfTest(name, options(kind), (site, _on, processes) => thereAndBack(site, processes));
  else fullTest(name, options(kind), (site, _on, processes) => thereAndBack(site, processes));
}

async function thereAndBack(site: Site, processes: Processes): Promise<void> {
  const staying = site.agent('tc-3');
  await expectLogin(staying, BOB, 'granted online by primary');
  const before = (await staying.status()).session;
  const loads = [startLogins(site.agent('tc-1'), ALICE), startLogins(site.agent('tc-2'), BOB)];
  const ended = () => Promise.all(loads.map(load => load.endAllGranted()));
  try {
    await updateAndGoBack(site, processes);
  } catch (error) {
    await ended().catch(() => {});
    throw error;
  }
  const logins = (await ended()).flat();
  const notOnline = logins.filter(({ answer }) => answer?.mode !== 'online');
  assert.deepEqual(notOnline.map(inWords), [], 'each was answered by a server that serves');
  assert.deepEqual(new Set(logins.map(({ answer }) => answer?.server)), new Set(['primary', 'secondary']));
  assert.deepEqual((await staying.status()).session, before, 'who was logged in is so still, online');

  await site.settle();
  const moves = (await site.primary.events()).filter(({ type }) => type === 'failover' || type === 'failback');
  const reasons = moves.map(({ type, data }) => `${type}: ${data.why}`);
  const wanted = ['failover: goaway', 'failback: failback'];
  for (const reason of wanted) assert.ok(reasons.includes(reason), `${reason} among ${reasons}`);
  const asked = reasons.filter(reason => wanted.includes(reason));
  // Seen once, on a busy machine: the old channel of an idle device ended before the new one was there. It costs nobody anything.
  assert.ok(reasons.length - asked.length <= 1, `nobody lost a server first: ${reasons}`);
}

async function updateAndGoBack(site: Site, processes: Processes): Promise<void> {
  const { update } = updating(site, processes);
  await update('next', async step => {
    // The Secondary is of the newer release, and the database of the older schema.
    if (step === 2) {
      await expectReleases(site, 'this', 'next', RELEASES.this.schema);
      assert.match(site.secondary.process().stderr(), /the database has an older schema/);
    }
    await administer(site, `updating-${step}`);
  });
  await expectReleases(site, 'next', 'next', RELEASES.next.schema);
  assert.match(site.primary.process().stderr(), /the schema of the database was brought up/);
  await expectHealed(site);

  await update('this', step => administer(site, `going-back-${step}`));
  // An older release goes on with what the newer one has made of the database.
  await expectReleases(site, 'this', 'this', RELEASES.next.schema);
  for (const server of site.servers) {
    assert.match(server.process().stderr(), /the database has a newer schema: update this server/);
    assert.match((await server.ownStatus()).stdout, /^version .*schema \d+; \d+ is what it knows: update this server/m);
  }
  await expectHealed(site);
}

async function expectReleases(site: Site, primary: Release, secondary: Release, schema: number): Promise<void> {
  for (const [server, release] of [
    [site.primary, primary],
    [site.secondary, secondary],
  ] as const) {
    const status = await server.waitForStatus(
      `to serve as ${release}, with schema ${schema}`,
      ({ state, schema: found }) => state === 'serving' && found === schema,
    );
    assert.equal(status.version, RELEASES[release].version);
    assert.equal(status.writesSchema, RELEASES[release].schema);
  }
}

/** The Primary of the moment takes a change, and the Secondary has it. */
async function administer(site: Site, group: string): Promise<void> {
  await site.apply(`kind: UserGroup\nname: ${group}\nbody: {}\n`);
  const { generation } = await site.primary.waitForStatus('to serve', isServing);
  await site.secondary.waitForStatus(`to have generation ${generation}`, status => status.generation >= generation);
}
