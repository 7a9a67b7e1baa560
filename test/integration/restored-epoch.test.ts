// A backup is restored that is from before the site's newest epoch: servers and a device in this process.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AcceptDatabaseAnswer, ForkReport } from '@thinman/protocol';
import { pino } from 'pino';
import Type from 'typebox';
import { backUp } from '../../packages/server/src/care/backup.ts';
import { restoreSite } from '../../packages/server/src/care/restore.ts';
import { connect } from '../../packages/server/src/cli/thinman/admin-client.ts';
import { RefusedByServer } from '../../packages/server/src/cli/thinman/command-error.ts';
import { dataFolder } from '../../packages/server/src/config.ts';
import { createServer } from '../../packages/server/src/server.ts';
import { copyDatabase, putBackDatabase } from '../support/database-files.ts';
import {
  type LocalDevice,
  type LocalServer,
  PATIENT_TIMINGS,
  type SiteInProcess,
  siteInProcess,
} from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const settings = { kind: 'SiteSettings' as const, name: 'site', body: { agent: PATIENT_TIMINGS } };
const user = (name: string) => ({ kind: 'User' as const, name, body: {} });

describe('a backup from before the newest epoch', () => {
  let site: SiteInProcess;
  let primary: LocalServer;
  let secondary: LocalServer;
  let device: LocalDevice;
  let file: string;

  before(async () => {
    site = await siteInProcess();
    primary = site.primary;
    secondary = await site.joinSecondary();
    device = await site.enrol('tc-1');
    await device.start();
    await device.waitUntilOnline();
    file = join(site.root, 'site.backup');
    await backUp({ dataDir: primary.dir, file });
    copyDatabase(primary.dir, join(site.root, 'older'));
    await site.apply(user('lost'));
    putBackDatabase(join(site.root, 'older'), primary.dir);
    await waitFor('the fork', () => primary.running().status().state === 'degraded' || undefined);
    const { database } = await primary.ask(ForkReport, '/fork');
    await primary.ask(AcceptDatabaseAnswer, '/fork/accept', { database });
    // The restored site has fewer commits than this.
    for (let at = 0; at < 5; at++) await site.apply(user(`after-${at}`));
    for (const follower of [device, secondary]) {
      await waitFor(`${follower.name} to follow`, () => follower.running().status().epoch === 2 || undefined);
    }
    await primary.stop();
  });
  after(() => site.close());

  async function restore(name: string, epochAbove?: number) {
    const warned: string[] = [];
    const restored = await restoreSite({
      ...{ file, recoveryCode: site.made.recoveryCode, dataDir: join(site.root, name) },
      ...{ listen: new URL(primary.url).host, url: primary.url, warn: line => warned.push(line) },
      ...(epochAbove !== undefined && { epochAbove }),
    });
    return { epoch: restored.epoch, warned };
  }

  it('begins one above that, as a server that is there knows it', async () => {
    assert.deepEqual(await restore('asked'), { epoch: 3, warned: [] });
  });

  it('with nobody to ask, says so, or takes the number', async () => {
    await secondary.stop();
    const { epoch, warned } = await restore('alone');
    assert.equal(epoch, 2);
    assert.match(warned.join('\n'), /^secondary \(https:\S+\) does not say .*--epoch-above/);
    assert.deepEqual(await restore('told', 7), { epoch: 8, warned: [] });
  });

  it('that was restored without is heard by no device, until a new epoch is begun above what it knows', async () => {
    const dataDir = join(site.root, 'alone');
    const host = createServer({ dataDir, random: () => 0, log: pino({ level: 'silent' }) });
    await host.start();
    const client = connect({ kind: 'socket', path: dataFolder(dataDir).adminSocket, data: dataDir });
    try {
      await waitFor('the device to be there', () => host.status().connectedDevices === 1 || undefined);
      const { forked, database } = await client.ask(ForkReport, { path: '/fork' });
      assert.equal(forked, false);
      const accept = (more: object) =>
        client.ask(AcceptDatabaseAnswer, { method: 'POST', path: '/fork/accept', body: { database, ...more } });
      await assert.rejects(
        accept({}),
        error => error instanceof RefusedByServer && /nothing to accept/.test(error.problem.detail ?? ''),
      );
      const { epoch } = await accept({ epochAbove: 2 });
      assert.equal(epoch, 3);
      const objects = [{ ...settings, body: { agent: { ...PATIENT_TIMINGS, hedgeDelayMs: 4_000 } } }];
      await client.ask(Type.Unknown(), { method: 'POST', path: '/apply', body: { objects } });
      await waitFor('the device to take what comes from it', () => device.running().status().epoch === 3 || undefined);
    } finally {
      await client.close();
      await host.drain();
    }
  });
});
