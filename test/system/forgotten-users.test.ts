import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHOSEN_POINTS, choose, describePoint, killAt, NO_STRACE, passedPoints } from '../support/crash-points.ts';
import { expectLogin } from '../support/logins.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB, user } from '../support/ward.ts';

const CAROL = { name: 'carol', password: 'carols-first-password' } as const;

type Listed = { readonly device: string; readonly user: string; readonly until: number; readonly connected: boolean };
const listed = async (site: Site, args: readonly string[], server = site.primary) =>
  JSON.parse(await server.administer(['offline', 'list', ...args, '-o', 'json'])) as Listed[];
const usersOn = async (site: Site, device: string, server = site.primary) =>
  (await listed(site, ['--device', device], server)).map(each => each.user).sort();
const waitForUsers = (site: Site, users: readonly string[], server = site.primary) =>
  waitFor(`the ${server.name} to be told of ${users.join(' and ') || 'nobody'}`, async () =>
    (await usersOn(site, 'tc-1', server)).join() === [...users].sort().join() ? true : undefined,
  );
const wipes = async (site: Site) =>
  (await site.primary.events()).filter(({ type, origin }) => type === 'cache.wiped' && origin === 'device:tc-1');
/** A cached login of this user on the disk, deleted or not. */
const isOnDisk = (folder: string, name: string) =>
  readdirSync(folder)
    .filter(file => file.startsWith('cache.db'))
    .some(file =>
      new RegExp(`"user":"${name}","userId":"[^"]{36}","salt"`).test(readFileSync(join(folder, file), 'latin1')),
    );
const keep = (maxUsers: number) => `
kind: Policy
name: few-users
body: { scope: device, settings: { agent: { offline: { maxUsers: ${maxUsers} } } } }
---
kind: Assignment
name: few-users
body: { policy: few-users, to: { site: true } }`;

systemTest(
  'the user who was there longest ago makes room; the helpdesk sees who could log in where',
  { wires: true },
  async site => {
    const tc1 = site.agent('tc-1');
    await site.apply(`${user(CAROL)}\n---\n${keep(2)}`);
    for (const each of [ALICE, BOB]) await expectLogin(tc1, each, 'granted online by primary');
    await waitForUsers(site, ['alice', 'bob']);
    const [row] = await listed(site, ['--user', 'bob']);
    assert.equal(row?.device, 'tc-1');
    assert.equal(row.connected, true);
    assert.ok(row.until > Date.now(), 'until when is told');
    // An offline login is a use as well: Bob's is the older one then.
    await site.apart(async () => {
      await expectLogin(tc1, ALICE, 'granted offline');
    });
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, CAROL, 'granted online by primary');
    await waitForUsers(site, ['alice', 'carol']);
    await site.apart(async () => {
      await expectLogin(tc1, BOB, 'denied no_cached_login offline');
      await expectLogin(tc1, ALICE, 'granted offline');
    });
    await waitUntilOn(tc1, site.primary);
    // A lower limit takes hold at once; whoever works there stays.
    await site.apply(keep(0));
    await waitForUsers(site, ['alice']);
    assert.equal((await tc1.status()).session?.user, 'alice');
    const misuse = await site.primary.thinman(['offline', 'list']);
    assert.equal(misuse.code, 2);
  },
);

systemTest(
  'a user who comes into an excluded group is forgotten by the device, and works on',
  { wires: true },
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, BOB, 'granted online by primary');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await waitForUsers(site, ['alice', 'bob']);
    const settings = (await site.primary.get('SiteSettings', 'site'))[0]?.body;
    const body = { ...settings, offline: { excludedGroups: ['locums'] } };
    await site.apply(JSON.stringify({ kind: 'SiteSettings', name: 'site', body }));
    await site.apply(`
kind: UserGroup
name: locums
body: {}
---
kind: User
name: alice
body: { groups: [nurses, locums], password: ${ALICE.password} }`);
    await waitForUsers(site, ['bob']);
    assert.deepEqual([isOnDisk(tc1.data, 'alice'), isOnDisk(tc1.data, 'bob')], [false, true]);
    assert.equal((await tc1.status()).session?.user, 'alice', 'her session goes on');
    await site.apart(async () => {
      await expectLogin(tc1, ALICE, 'denied offline_not_allowed offline');
      await expectLogin(tc1, BOB, 'granted offline');
    });
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.apart(async () => {
      await expectLogin(tc1, ALICE, 'denied offline_not_allowed offline');
    });
    await waitUntilOn(tc1, site.primary);
    assert.equal(isOnDisk(tc1.data, 'alice'), false);
    // Nothing is kept of her, and she is told of all the same.
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.apply(user(ALICE, true));
    await tc1.waitForStatus('to have ended her session', ({ session }) => session === null);
  },
);

systemTest(
  'a wipe is done at the next contact, once, through the Secondary as well, and users log in with a server again',
  { wires: true },
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await expectLogin(tc1, BOB, 'granted online by primary');
    await tc1.logout();
    // Connected: at once.
    await site.primary.administer(['device', 'wipe', 'tc-1']);
    await waitForUsers(site, []);
    assert.match(await site.primary.administer(['offline', 'list', '--device', 'tc-1']), /wipe asked for .*: done/);
    await site.apart(async () => {
      await expectLogin(tc1, ALICE, 'denied no_cached_login offline');
    });
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await expectLogin(tc1, BOB, 'granted online by primary');
    await tc1.logout();

    // Away, and the Primary dies before it comes back.
    await tc1.kill();
    await site.primary.administer(['device', 'wipe', 'tc-1']);
    assert.match(
      await site.primary.administer(['offline', 'list', '--device', 'tc-1']),
      /wipe asked for .*: not done yet/,
    );
    const { generation } = await site.primary.status();
    await site.secondary.waitForStatus('to have the wish', status => status.generation >= generation);
    await site.primary.kill();
    await tc1.start();
    await waitUntilOn(tc1, site.secondary);
    await waitForUsers(site, [], site.secondary);
    // Killed right afterwards and started again: it is not done twice.
    await tc1.kill();
    await tc1.start();
    await expectLogin(tc1, ALICE, 'granted online by secondary');
    await site.primary.start();
    await waitUntilOn(tc1, site.primary);
    await site.apart(async () => {
      await expectLogin(tc1, ALICE, 'granted offline');
      await expectLogin(tc1, BOB, 'denied no_cached_login offline');
    });
    await waitUntilOn(tc1, site.primary);
    await site.settle();
    assert.deepEqual(
      (await wipes(site)).map(({ data }) => data.users),
      [2, 2],
    );
    const asked = (await site.primary.events()).filter(({ type }) => type === 'device.wipe');
    assert.deepEqual(
      asked.map(({ data }) => [data.device, data.actor]),
      [
        ['tc-1', 'local'],
        ['tc-1', 'local'],
      ],
    );
    const refused = await site.primary.thinman(['device', 'wipe', 'no-such-device']);
    assert.equal(refused.code, 2);
  },
);

/** Of the writes and flushes of one wipe on the device's disk. */
const WIPE_POINTS = 6;

systemTest(
  `a wipe is killed just before each write and flush, finished at the next start, and told once, ${CHOSEN_POINTS}`,
  { skip: NO_STRACE },
  async site => {
    const tc1 = site.agent('tc-1');
    const pid = () => tc1.process().pid;
    const files = ['cache.db', 'cache.db-wal'].map(file => join(tc1.data, file));
    const wipe = () => site.primary.administer(['device', 'wipe', 'tc-1']);
    const cached = () => files.some(file => existsSync(file) && readFileSync(file, 'latin1').includes('"salt"'));
    const fill = async () => {
      await expectLogin(tc1, ALICE, 'granted online by primary');
      await waitForUsers(site, ['alice']);
      await site.settle();
      assert.ok(cached(), 'there is something to wipe');
    };
    await fill();
    const passed = await passedPoints(pid(), files, join(site.folder, 'points'), async () => {
      await wipe();
      await waitForUsers(site, []);
      await site.settle();
    });
    assert.ok(
      passed.some(({ call }) => call === 'fsync' || call === 'fdatasync'),
      'it is flushed',
    );
    let count = 1;
    for (const point of choose(passed, WIPE_POINTS)) {
      await fill();
      const watch = await killAt(pid(), point);
      await wipe();
      count += 1;
      const isDone = waitFor('the device to have told of it', async () =>
        (await wipes(site)).length === count ? true : undefined,
      );
      await Promise.race([tc1.process().exited, isDone]);
      await watch.stop();
      if (!tc1.isRunning()) await tc1.start();
      await waitUntilOn(tc1, site.primary);
      await waitForUsers(site, []);
      await isDone;
      await site.settle();
      assert.equal((await wipes(site)).length, count, describePoint(point));
      assert.equal(cached(), false, `${describePoint(point)}: nothing of the login is on the disk`);
    }
  },
);
