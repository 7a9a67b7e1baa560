import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeploymentPage, DeploymentRow } from '@thinman/protocol';
import Database from 'better-sqlite3';
import type { Site } from '../support/site.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTests } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { GROUP } from '../support/ward.ts';

const PICTURE = Buffer.from('the wallpaper of the ward'.repeat(60_000));
const SHA256 = hash('sha256', PICTURE, 'hex');

type Shown = Omit<DeploymentPage, 'items'> & {
  readonly counts: Readonly<Record<DeploymentRow['state'], number>>;
  readonly devices: readonly DeploymentRow[];
};
const show = async (site: Site, generation: number) =>
  JSON.parse(await site.primary.administer(['deployment', 'show', String(generation), '-o', 'json'])) as Shown;
const statesOf = ({ devices }: Shown) =>
  devices
    .map(({ device, state }) => `${device} ${state}`)
    .sort()
    .join(', ');

async function waitForStates(site: Site, generation: number, expected: string): Promise<Shown> {
  let shown = await show(site, generation);
  await until(`the deployment of ${generation} to be: ${expected}`, async () => {
    shown = await show(site, generation);
    return statesOf(shown) === expected;
  });
  return shown;
}

const until = (what: string, look: () => boolean | Promise<boolean>) =>
  waitFor(what, async () => ((await look()) ? true : undefined));

/** Applies, and gives the generation of the commit. */
async function change(site: Site, yaml: string): Promise<number> {
  await site.apply(yaml);
  return (await site.primary.status()).generation;
}

const policy = (minutes: number) => `
kind: Policy
name: quiet-screens
body: { scope: device, settings: { power: { screenOffAfterMinutes: ${minutes} }, appearance: { wallpaper: w.png } } }
`;
const settingsOf = (site: Site, device: string) =>
  JSON.parse(readFileSync(join(site.agent(device).data, 'applied', 'device-policy.json'), 'utf8'));

systemTests(
  'a change of the configuration',
  { agents: ['tc-1', 'tc-2'] },
  {
    async 'reaches whom it concerns, with its file, and who has it is told'(site) {
      await site.apply('kind: DeviceGroup\nname: elsewhere\nbody: {}\n');
      const away = await site.addAgent('tc-3', 'elsewhere');
      await away.start();
      await waitUntilOn(away, site.primary);
      const file = join(site.folder, 'w.png');
      writeFileSync(file, PICTURE);
      await site.primary.administer(['file', 'put', file]);
      const before = (await site.primary.events()).filter(({ type }) => type === 'bundle.applied').length;
      const generation = await change(site, policy(8));
      const shown = await waitForStates(site, generation, 'tc-1 applied, tc-2 applied');
      assert.deepEqual(shown.objects, [{ kind: 'Policy', name: 'quiet-screens' }]);
      for (const name of ['tc-1', 'tc-2']) {
        const { settings, files } = settingsOf(site, name);
        assert.deepEqual([settings['power.screenOffAfterMinutes'], Object.keys(files)], [8, ['w.png']]);
        assert.equal(hash('sha256', readFileSync(files['w.png']), 'hex'), SHA256);
      }
      await site.settle();
      const since = (await site.primary.events()).filter(({ type }) => type === 'bundle.applied').slice(before);
      assert.ok(!since.some(({ origin }) => origin === 'device:tc-3'), 'it was told, though nothing concerns it');
    },

    async 'reaches who was away, from the Secondary, while the Primary is down; and the Primary hears of it'(site) {
      const away = site.agent('tc-2');
      await away.stop();
      await site.primary.administer(['file', 'put', '--name', 'w.png', await other(site)]);
      const generation = await change(site, policy(9));
      await waitForStates(site, generation, 'tc-1 applied, tc-2 waiting');
      await site.secondary.waitForStatus('to have it', status => status.generation >= generation);
      await until('the Secondary to keep the new content', async () => {
        return readdirSync(join(site.secondary.data, 'files')).includes(hash('sha256', 'another one', 'hex'));
      });
      await site.primary.kill();
      await away.start();
      await waitUntilOn(away, site.secondary);
      await until('tc-2 to have applied it', async () => {
        const { settings, files } = settingsOf(site, 'tc-2');
        return (
          settings['power.screenOffAfterMinutes'] === 9 &&
          files['w.png']?.endsWith(hash('sha256', 'another one', 'hex'))
        );
      });
      assert.ok(readFileSync(settingsOf(site, 'tc-2').files['w.png']).equals(Buffer.from('another one')));
      await site.primary.start();
      await waitForStates(site, generation, 'tc-1 applied, tc-2 applied');
    },

    async 'in stages stops by itself where devices fail, and is taken back'(site) {
      const hooks = join(site.agent('tc-1').data, 'apply.d');
      mkdirSync(hooks, { recursive: true, mode: 0o700 });
      const hook = join(hooks, 'power');
      writeFileSync(hook, '#!/bin/sh\necho no such screen >&2\ntest "$(grep -c 33 -)" = 0\n', { mode: 0o700 });
      const standing = async () => {
        const shown = await site.primary.administer(['get', 'Rollout']);
        return shown.split('\n')[1] ?? '';
      };
      await site.apply(`
kind: Rollout
name: darker
body:
  of: { policy: quiet-screens }
  to: { scope: device, settings: { power: { screenOffAfterMinutes: 33 } } }
  stages: [{ deviceGroups: [${GROUP}], holdMinutes: 60 }]
`);
      await until('the rollout to stop by itself', async () => (await standing()).includes('stopped'));
      assert.match(await standing(), /devices and users failed to apply it/);
      const stopped = (await site.primary.events()).filter(({ type, data }) => {
        return type === 'rollout.changed' && data.state === 'stopped';
      });
      assert.equal(stopped.length, 1);
      assert.equal(settingsOf(site, 'tc-2').settings['power.screenOffAfterMinutes'], 33);
      await site.primary.administer(['rollout', 'rollback', 'darker']);
      const { generation } = await site.primary.status();
      await waitForStates(site, generation, 'tc-1 applied, tc-2 applied');
      for (const name of ['tc-1', 'tc-2']) {
        assert.equal(settingsOf(site, name).settings['power.screenOffAfterMinutes'], 9);
      }
    },

    async 'shows who has told of nothing yet, after an update of the schema too, until each tells again'(site) {
      const { generation } = await site.primary.status();
      await site.settle();
      // As the update to schema 2 leaves it: the table of reports is new, and empty.
      const database = new Database(join(site.primary.data, 'site.db'));
      database.exec('DELETE FROM bundle_reports');
      database.close();
      const table = () => site.primary.administer(['deployment', 'show', String(generation)]);
      assert.match(await table(), /^tc-1 +waiting +not reported yet since it was enrolled, or the site was updated$/m);
      const next = await change(site, policy(12));
      await waitForStates(site, next, 'tc-1 applied, tc-2 applied');
      assert.match(
        await table(),
        /^2 applied, 0 pending, 0 failed, 0 waiting$/m,
        'what is newer counts for what was before',
      );
    },

    async 'that one object saw goes back alone, and what lies between two generations is told'(site) {
      const now = await change(site, policy(10));
      const then = await change(site, policy(11));
      await site.primary.administer(['rollback', 'Policy', 'quiet-screens', '--to', String(now)]);
      const { generation } = await site.primary.status();
      await waitForStates(site, generation, 'tc-1 applied, tc-2 applied');
      assert.equal(settingsOf(site, 'tc-1').settings['power.screenOffAfterMinutes'], 10);
      const diff = await site.primary.administer(['diff', '--generation', String(now), String(then)]);
      assert.match(diff, /Policy quiet-screens updated\n.*screenOffAfterMinutes: 10\n.*screenOffAfterMinutes: 11/);
      assert.match(await site.primary.administer(['history', 'Policy', 'quiet-screens']), /local/);
    },
  },
);

async function other(site: Site): Promise<string> {
  const file = join(site.folder, 'other.png');
  writeFileSync(file, 'another one');
  return file;
}
