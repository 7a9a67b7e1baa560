import assert from 'node:assert/strict';
import { expectLogin } from '../support/logins.ts';
import {
  cutOffDatabase,
  DEVICES,
  NETWORK_TIMINGS,
  networkOf,
  nobodyMoves,
  primaryFallsSilent,
  staysServing,
} from '../support/network-steps.ts';
import {
  expectHealed,
  isDegraded,
  isServing,
  SERVER_SETTINGS,
  whileLoggingIn,
  withoutMaster,
} from '../support/redundant-faults.ts';
import type { Full } from '../support/redundant-site.ts';
import { fullTests } from '../support/redundant-test.ts';
import { waitUntilApplied, waitUntilOn } from '../support/site.ts';
import { ALICE, GROUP, profile, user } from '../support/ward.ts';

/** The sites of the two servers, each with its database, do not see each other. */
async function partServers(on: Full): Promise<() => Promise<void>> {
  const network = networkOf(on);
  await network.dropBetween('primary', 'secondary');
  await network.dropBetween('master', 'slave');
  return async () => {
    await network.mendBetween('primary', 'secondary');
    await network.mendBetween('master', 'slave');
  };
}

const TIMEOUT_MS = 300_000;

fullTests(
  'packets vanish',
  {
    agents: ['tc-1', 'tc-2'],
    apart: true,
    timings: NETWORK_TIMINGS,
    serverSettings: SERVER_SETTINGS,
    timeoutMs: TIMEOUT_MS,
  },
  {
    'row 2: the Primary falls silent': primaryFallsSilent,

    'the servers do not see each other: replication carries on, and so does the Secondary': async (site, on) => {
      const tc1 = site.agent('tc-1');
      await staysServing(site, site.secondary, () =>
        whileLoggingIn(site, async () => {
          await expectLogin(tc1, ALICE, 'granted online by primary');
          await networkOf(on).dropBetween('primary', 'secondary');
          await site.secondary.waitForStatus('to miss the Primary', ({ link }) => link?.connected === false);
          await site.apply(profile(['ward', 'unannounced']));
          await waitUntilApplied(site, tc1, ALICE.name);
          const { generation } = await site.primary.status();
          await site.secondary.waitForStatus('to have it all the same', status => status.generation >= generation);
          await site.primary.kill();
          const { profile: held } = await expectLogin(tc1, ALICE, 'granted online by secondary');
          assert.match(JSON.stringify(held), /unannounced/);
          await site.primary.start();
          await networkOf(on).mendBetween('primary', 'secondary');
          await expectHealed(site);
        }),
      );
    },

    'nor do their databases: what the Secondary has not heard of does not degrade it, and no device goes back': async (
      site,
      on,
    ) => {
      const tc1 = site.agent('tc-1');
      await staysServing(site, site.secondary, () =>
        whileLoggingIn(site, async () => {
          await expectLogin(tc1, ALICE, 'granted online by primary');
          const heal = await partServers(on);
          await site.apply(profile(['ward', 'newest']));
          await waitUntilApplied(site, tc1, ALICE.name);
          const before = await tc1.status();
          // Longer than the lag that it is allowed.
          await site.secondary.waitForStatus('to miss the Primary', ({ link }) => link?.connected === false);
          const { state, generation } = await site.secondary.status();
          assert.equal(state, 'serving');
          assert.ok(generation < before.generation, 'it has not got the newest commit');

          await site.primary.kill();
          const { profile: held } = await expectLogin(tc1, ALICE, 'granted online by secondary');
          assert.match(JSON.stringify(held), /newest/);
          const after = await waitUntilOn(tc1, site.secondary);
          assert.ok(after.generation >= before.generation);

          await heal();
          await site.secondary.waitForStatus(
            'to have what was committed',
            status => isServing(status) && status.generation >= before.generation,
          );
          await site.primary.start();
          await expectHealed(site);
        }),
      );
    },

    'the Primary does not see its Master': (site, on) =>
      withoutMaster(
        site,
        () => cutOffDatabase(site, () => networkOf(on).dropBetween('primary', 'master')),
        () => networkOf(on).mendBetween('primary', 'master'),
      ),

    'the Secondary does not see its Slave: nobody notices': (site, on) =>
      nobodyMoves(site, () =>
        whileLoggingIn(site, async () => {
          await networkOf(on).dropBetween('secondary', 'slave');
          await site.secondary.waitForStatus('to be degraded', isDegraded);
          await expectLogin(site.agent('tc-1'), ALICE, 'granted online by primary');
          await site.apply(profile(['ward', 'meanwhile']));
          await networkOf(on).mendBetween('secondary', 'slave');
          await expectHealed(site);
        }),
      ),

    'row 13: a user was disabled before the device lost the Primary: the device knows better than the Secondary':
      async (site, on) => {
        const tc1 = site.agent('tc-1');
        await whileLoggingIn(site, async () => {
          await expectLogin(tc1, ALICE, 'granted online by primary');
          const heal = await partServers(on);
          await site.apply(user(ALICE, true));
          await tc1.waitForStatus('to have ended her session', ({ session }) => session === null);
          await networkOf(on).dropBetween(DEVICES, 'primary');
          await expectLogin(tc1, ALICE, /^denied \w+ offline$/);
          await heal();
          await networkOf(on).mendBetween(DEVICES, 'primary');
          await expectHealed(site);
        });
        await expectLogin(tc1, ALICE, 'denied account_disabled online by primary');
        await site.apply(user(ALICE));
        await expectLogin(tc1, ALICE, 'granted online by primary');
      },

    'row 13: a user is disabled while nobody there can know: she is let in, and out when they do': async (site, on) => {
      const tc1 = site.agent('tc-1');
      await whileLoggingIn(site, async () => {
        await expectLogin(tc1, ALICE, 'granted online by primary');
        const heal = await partServers(on);
        await networkOf(on).dropBetween(DEVICES, 'primary');
        await expectLogin(tc1, ALICE, 'granted online by secondary');
        await waitUntilOn(tc1, site.secondary);
        await site.apply(user(ALICE, true));
        await expectLogin(tc1, ALICE, 'granted online by secondary');
        await heal();
        await tc1.waitForStatus('to have ended her session', ({ session }) => session === null);
        await networkOf(on).mendBetween(DEVICES, 'primary');
        await expectHealed(site);
      });
      await expectLogin(tc1, ALICE, 'denied account_disabled online by primary');
      await site.apply(user(ALICE));
      await expectLogin(tc1, ALICE, 'granted online by primary');
    },

    // The last one: its device would have everybody wait for it.
    'row 15: a device is revoked where it cannot hear of it: the Secondary tells it': async (site, on) => {
      const revoked = await site.addAgent('tc-revoked', GROUP);
      await revoked.start();
      await waitUntilOn(revoked, site.primary);
      await expectLogin(revoked, ALICE, 'granted online by primary');
      await networkOf(on).dropBetween(DEVICES, 'primary');
      await expectLogin(revoked, ALICE, 'granted online by secondary');
      await waitUntilOn(revoked, site.secondary);
      await site.primary.administer(['device', 'revoke', revoked.name]);
      await revoked.waitForStatus('to have ended her session', ({ session }) => session === null);
      await expectLogin(revoked, ALICE, 'denied device_revoked online by secondary');
      await networkOf(on).mendBetween(DEVICES, 'primary');
      await site.apply(JSON.stringify({ kind: 'Device', name: revoked.name, body: { group: GROUP, revoked: false } }));
      await expectHealed(site);
      await expectLogin(revoked, ALICE, 'granted online by primary');
    },
  },
);
