import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DeviceEventType } from '@thinman/protocol';
import Database from 'better-sqlite3';
import type { Agent } from '../support/agent-commands.ts';
import { deviceRows } from '../support/device-rows.ts';
import { applyDirectory, ALICE_OF_LAB as OF_LAB, surroundDirectory } from '../support/directories/directory-site.ts';
import { scribble, spoilPage } from '../support/disk-damage.ts';
import { expectLogin } from '../support/logins.ts';
import { inTurn } from '../support/redundant-test.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { onSiteIn } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB } from '../support/ward.ts';

// Row 17: the device's store is damaged, while its agent is stopped and while it runs.

type Damage = {
  readonly what: string;
  /** How the agent ended before: only a killed one leaves its log. */
  readonly ended: 'stopped' | 'killed';
  /** `cache`: path of cache.db. */
  readonly damage: (cache: string, site: Site) => void;
  /** Whether the events that wait in the store can still be read. */
  readonly events: 'readable' | 'lost';
};

const DAMAGES: readonly Damage[] = [
  { what: 'garbage', ended: 'stopped', events: 'lost', damage: scribble },
  { what: 'zero bytes', ended: 'stopped', events: 'lost', damage: cache => truncateSync(cache, 0) },
  { what: 'missing', ended: 'stopped', events: 'lost', damage: cache => rmSync(cache) },
  { what: 'cut in the middle', ended: 'stopped', events: 'lost', damage: cache => truncateSync(cache, 8192) },
  { what: 'a folder in its place', ended: 'stopped', events: 'lost', damage: putFolder },
  {
    what: 'a bad page among the logins',
    ended: 'stopped',
    events: 'readable',
    damage: cache => spoilPage(cache, 'fact'),
  },
  { what: 'a bad page among the events', ended: 'killed', events: 'lost', damage: cache => spoilPage(cache, 'outbox') },
  { what: 'of a newer version', ended: 'stopped', events: 'readable', damage: makeNewer },
  { what: 'its log lost', ended: 'killed', events: 'lost', damage: cache => rmSync(`${cache}-wal`) },
  { what: "another device's log beside it", ended: 'killed', events: 'lost', damage: takeLogOfAnother },
];

/**
 * How often the device must have told of damage, and of events that were lost, after all stories. `mayBeLost`: an agent that runs
 * may hold every page of its store in memory, or not, when the disk turns to garbage.
 */
const expected = { damaged: 0, lost: 0, mayBeLost: 0 };

const STORIES: Readonly<Record<string, (site: Site) => Promise<void>>> = {
  ...Object.fromEntries(DAMAGES.map(each => [`while the agent is ${each.ended}: ${each.what}`, story(each)])),

  'while the agent runs: the file is taken away': site =>
    whileRunning(site, cache => renameSync(cache, `${cache}.taken`)),
  'while the agent runs: its log is taken away': site =>
    whileRunning(site, cache => renameSync(`${cache}-wal`, `${cache}.taken`)),
  'while the agent runs: another file takes its place': site =>
    whileRunning(site, cache => {
      rmSync(cache);
      writeFileSync(cache, 'not this one');
    }),

  'while the agent runs: garbage over all of it': async site => {
    const tc1 = await online(site);
    const cache = join(tc1.data, 'cache.db');
    for (const file of [cache, `${cache}-wal`]) scribble(file);
    await expectLogin(tc1, BOB, 'granted online by primary');
    await tc1.stop();
    await site.apart(async () => {
      assert.match(await tc1.start(), /^READY mode=offline$/);
      await expectLogin(tc1, ALICE, 'denied cache_damaged offline');
    });
    expected.damaged += 1;
    expected.mayBeLost += 1;
  },

  'each damage, and each loss, was told once': async site => {
    const tc1 = await online(site);
    await site.apart(() => expectLogin(tc1, ALICE, 'granted offline'));
    await waitUntilOn(tc1, site.primary);
    await site.settle();
    const events = (await site.primary.events()).filter(({ origin }) => origin === `device:${tc1.name}`);
    const count = (wanted: DeviceEventType) => events.filter(({ type }) => type === wanted).length;
    assert.equal(count('cache.damaged'), expected.damaged);
    const lost = count('events.lost') - expected.lost;
    assert.ok(lost >= 0 && lost <= expected.mayBeLost, `${lost} more than ${expected.lost} losses`);
    // A device whose store was lost holds nothing, until it has been online; what it held then was never older.
    const { versions } = site.history;
    versions.splice(0, versions.length, ...versions.filter(({ version }) => version.epoch > 0));
  },
};

test("row 17: a damaged store costs neither the identity nor anybody's login, of the site's users and of a directory's", t =>
  onSiteIn(surroundDirectory, { wires: true, agents: ['tc-1', 'tc-2'] }, async (site, on) => {
    await applyDirectory(site, on);
    await inTurn(t, STORIES, [site]);
  }));

function story({ ended, damage, events }: Damage) {
  return async (site: Site) => {
    const tc1 = await online(site);
    const identity = identityOf(tc1);
    await site.apart(async () => {
      if (events === 'readable') for (const user of [OF_LAB, ALICE]) await expectLogin(tc1, user, 'granted offline');
      await (ended === 'killed' ? tc1.kill() : tc1.stop());
      damage(join(tc1.data, 'cache.db'), site);
      assert.match(await tc1.start(), /^READY mode=offline$/);
      for (const user of [ALICE, OF_LAB]) await expectLogin(tc1, user, 'denied cache_damaged offline');
    });
    assert.deepEqual(identityOf(tc1), identity);
    expected.damaged += 1;
    if (events === 'lost') expected.lost += 1;
  };
}

/** The agent notices at the next login; what it still has open is carried over. */
async function whileRunning(site: Site, damage: (cache: string) => void): Promise<void> {
  const tc1 = await online(site);
  await site.apart(async () => {
    await expectLogin(tc1, ALICE, 'granted offline');
    damage(join(tc1.data, 'cache.db'));
    await expectLogin(tc1, ALICE, 'denied cache_damaged offline');
    // What was made anew holds: a power cut now costs nothing.
    await tc1.kill();
    await tc1.start();
    await expectLogin(tc1, ALICE, 'denied no_cached_login offline');
  });
  expected.damaged += 1;
}

/** One login online is all that it takes; then the device has nothing left to tell. */
async function online(site: Site): Promise<Agent> {
  const tc1 = site.agent('tc-1');
  await waitUntilOn(tc1, site.primary);
  await expectLogin(tc1, OF_LAB, 'granted online by primary');
  await waitFor('the row of the directory user, which follows its login', () =>
    deviceRows(tc1).some(({ kind, key }) => kind === 'login' && key === OF_LAB.name) ? true : undefined,
  );
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await site.settle();
  return tc1;
}

function identityOf({ data }: Agent): readonly (readonly [string, string])[] {
  const folder = join(data, 'identity');
  return readdirSync(folder).map(name => [name, readFileSync(join(folder, name), 'base64')] as const);
}

function putFolder(cache: string): void {
  rmSync(cache);
  mkdirSync(cache);
  writeFileSync(join(cache, 'something'), '');
}

function makeNewer(cache: string): void {
  const db = new Database(cache);
  db.pragma('user_version = 99');
  db.close();
}

function takeLogOfAnother(cache: string, site: Site): void {
  copyFileSync(join(site.agent('tc-2').data, 'cache.db-wal'), `${cache}-wal`);
}
