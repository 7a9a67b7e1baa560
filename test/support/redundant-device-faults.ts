// Row 15 of failover.md on HALF and FULL: what becomes of a device that is revoked, and of one that a restored database lacks.
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseServer } from './databases/database-server.ts';
import { deviceCredential } from './impostor.ts';
import { expectLogin } from './logins.ts';
import { expectHealed, whileLoggingIn } from './redundant-faults.ts';
import { ACCOUNTS } from './redundant-site.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';
import { waitFor } from './wait.ts';
import { ALICE, BOB, GROUP } from './ward.ts';

/** `record`: the database that is written to. */
export function deviceFaults<S>(record: (on: S) => DatabaseServer) {
  return {
    'row 15: a device is revoked, and the Primary dies': async (site: Site) => {
      const tc1 = site.agent('tc-1');
      await whileLoggingIn(site, async () => {
        await expectLogin(tc1, ALICE, 'granted online by primary');
        await site.primary.administer(['device', 'revoke', 'tc-1']);
        await tc1.waitForStatus('to have ended her session', ({ session }) => session === null);
        const { generation } = await site.primary.status();
        await site.secondary.waitForStatus('to have heard of it', status => status.generation >= generation);
        await site.primary.kill();
        await expectLogin(tc1, ALICE, 'denied device_revoked online by secondary');
        await site.primary.start();
        await site.apply(JSON.stringify({ kind: 'Device', name: 'tc-1', body: { group: GROUP, revoked: false } }));
        await expectHealed(site);
      });
      await expectLogin(tc1, ALICE, 'granted online by primary');
    },

    'row 15: a restored database lacks a device: offline, and on the list of the unknown': async (
      site: Site,
      on: S,
    ) => {
      const tc1 = site.agent('tc-1');
      await expectLogin(tc1, BOB, 'granted online by primary');
      await expectLogin(tc1, ALICE, 'granted online by primary');
      await site.settle();
      // Whom the database knows notices nothing, but that both servers start anew.
      await expectLogin(site.agent('tc-2'), BOB, 'granted online by primary');
      await whileLoggingIn(site, async () => {
        await Promise.all([site.primary.kill(), site.secondary.kill()]);
        await record(on).rootQuery(`DELETE FROM ${ACCOUNTS.database}.objects WHERE kind = 'Device' AND name = 'tc-1'`);
        for (const server of site.servers) removeReplica(server);
        await Promise.all([site.primary.start(), site.secondary.start()]);

        await tc1.waitForStatus('to be unknown to both', ({ servers }) =>
          servers.every(({ lastError }) => lastError === 'device_unknown'),
        );
        await expectLogin(tc1, ALICE, 'granted offline');
        await expectLogin(tc1, { ...BOB, password: 'not-his-password' }, 'denied credentials_invalid offline');
        const { keyHash } = deviceCredential(tc1);
        await waitFor('the device to be on the list', async () => {
          const listed = await site.primary.administer(['device', 'list-unknown', '-o', 'json']);
          return listed.includes(keyHash) ? true : undefined;
        });
        await site.primary.administer(['device', 'approve', keyHash, '--name', 'tc-1', '--group', GROUP]);
        await expectHealed(site);
      });
      await expectLogin(tc1, ALICE, 'granted online by primary');
      assert.equal((await tc1.status()).session?.user, ALICE.name);
    },
  };
}

/** As on a host that was restored with its database: what it reads now is all that it knows. */
function removeReplica({ data }: Server): void {
  for (const file of readdirSync(data).filter(name => name.startsWith('replica.db'))) rmSync(join(data, file));
}
