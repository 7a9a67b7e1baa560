import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../support/manual-clock.ts';
import { emptyDevice } from '../support/memory-cache.ts';
import { commit, type ModelUser, type SiteView, siteWith } from '../support/model-site.ts';
import { simulate } from '../support/simulated-agent.ts';

// Whom a device forgets, by which name ever: wiped, excluded, disabled.

const DERIVE_MS = 500;
const MINUTE_MS = 60_000;
const ALICE = 'first-password';
const EVE = 'winter-2026';
const EVE_ID = '00000000-0000-5000-8000-000000000005';
const SPELLINGS = ['eve@lab.test', 'LAB\\eve'] as const;
const PAIR = ['primary', 'secondary'] as const;

/** Alice of the site, and Eve of a directory, under two names. */
function siteOfBoth(): SiteView {
  const { users, ...view } = siteWith('alice', ALICE);
  const [alice] = Object.values(users);
  assert.ok(alice !== undefined);
  const eve = { ...alice, userId: EVE_ID, password: EVE, ofDirectory: true };
  return { ...view, users: { ...users, ...Object.fromEntries(SPELLINGS.map(name => [name, { ...eve, name }])) } };
}

async function started(device = emptyDevice()) {
  const clock = manualClock();
  const world = simulate({ clock, servers: PAIR, view: siteOfBoth(), deriveMs: DERIVE_MS, device });
  const { runner, server } = world;
  runner.start();
  await clock.advance(1_000);
  const login = async (user: string, password: string, ms = 5_000) => {
    const result = runner.login(user, password);
    await clock.advance(ms);
    const { verdict, reason, mode } = await result;
    return [verdict, reason, mode].filter(Boolean).join(' ');
  };
  const change = (user: string, what: Partial<ModelUser>) => {
    for (const name of PAIR) server(name).view = commit(server(name).view, user, what);
  };
  const changeEve = (what: Partial<ModelUser>) => {
    for (const name of SPELLINGS) change(name, what);
  };
  const apart = async (work: () => Promise<void>) => {
    for (const name of PAIR) server(name).kill();
    await clock.advance(5_000);
    await work();
  };
  const applied = () =>
    [...device.outbox, ...server('primary').events]
      .filter(({ type, data }) => type === 'bundle.applied' && data.which === 'user')
      .map(({ data }) => data.etag);
  return { clock, ...world, login, change, changeEve, apart, applied };
}

for (const [first, second] of [SPELLINGS, SPELLINGS.toReversed()] as [string, string][]) {
  test(`row 13: ${first} is known, ${second} is found disabled, then a partition: the device denies both`, async () => {
    const { device, runner, login, changeEve, apart } = await started();
    assert.equal(await login(first, EVE), 'granted online');
    assert.deepEqual(Object.keys(device.logins), [first]);
    changeEve({ disabled: true });
    assert.equal(await login(second, EVE), 'denied account_disabled online');
    assert.deepEqual(device.logins, {}, 'forgotten');
    assert.equal(device.tombstones[EVE_ID]?.reason, 'disabled');
    assert.equal(runner.status().session, null, 'her session under the other name has ended');
    await apart(async () => {
      for (const name of SPELLINGS) assert.match(await login(name, EVE), /^denied \w+ offline$/);
    });
  });

  test(`one who was disabled as ${second} and is no more logs in as ${first}, offline too`, async () => {
    const { device, login, changeEve, apart } = await started();
    await login(first, EVE);
    changeEve({ disabled: true });
    await login(second, EVE);
    changeEve({ disabled: false });
    assert.equal(await login(first, EVE), 'granted online');
    assert.deepEqual(device.tombstones, {});
    await apart(async () => assert.equal(await login(first, EVE), 'granted offline'));
  });

  test(`nothing is kept of an excluded user who was here as ${first} and logs in as ${second}`, async () => {
    const { device, login, changeEve } = await started();
    await login(first, EVE);
    changeEve({ isExcluded: true });
    assert.equal(await login(second, EVE), 'granted online');
    assert.deepEqual(device.logins, {});
    assert.equal(device.tombstones[EVE_ID]?.reason, 'offline_withdrawn');
  });

  test(`… nor of one who is excluded while the key of ${second} is derived`, async () => {
    const { clock, device, server, login, changeEve } = await started();
    await login(first, EVE);
    assert.equal(await login(second, EVE, 100), 'granted online');
    assert.deepEqual(Object.keys(device.logins), [first], 'the older row is there still');
    changeEve({ isExcluded: true });
    server('primary').tellChanged(EVE_ID);
    await clock.advance(100);
    assert.deepEqual(device.logins, {});
    await clock.advance(DERIVE_MS * 2);
    assert.deepEqual(device.logins, {});
  });
}

test('a session whose row was wiped before it was written gets newer bundles all the same, and leaves no row', async () => {
  const { clock, device, server, login, changeEve, applied, defects } = await started();
  assert.equal(await login('eve@lab.test', EVE, 100), 'granted online');
  server('primary').wipe(7);
  await clock.advance(10);
  assert.equal(device.wiped, 7);
  const allowed = applied().length;
  changeEve({ offlineAllowed: false });
  server('primary').tellChanged(EVE_ID);
  await clock.advance(10);
  assert.equal(applied().length, allowed + 1, 'while its key is derived');
  await clock.advance(DERIVE_MS * 2);
  changeEve({ offlineAllowed: true });
  server('primary').tellChanged(EVE_ID);
  await clock.advance(100);
  assert.equal(applied().length, allowed + 2, 'and afterwards');
  assert.deepEqual(device.logins, {});
  assert.deepEqual(defects, []);
});

// Its keys are in memory and its password was typed: it is proved, and the person goes on. But nobody has typed anything since the wipe.
test('a session that is proved after a wipe goes on, and leaves no row', async () => {
  const { clock, runner, device, server, login, apart, defects } = await started();
  await login('alice', ALICE);
  await apart(async () => assert.equal(await login('alice', ALICE), 'granted offline'));
  const [alice] = Object.values(device.logins);
  assert.ok(alice !== undefined);
  server('primary').swallowsLogins = true;
  server('primary').condition = 'up';
  await clock.advance(10 * MINUTE_MS);
  assert.equal(runner.status().session?.mode, 'offline', 'its proof is under way');
  server('primary').wipe(7);
  await clock.advance(10);
  assert.deepEqual(device.logins, {});
  server('primary').swallowsLogins = false;
  await clock.advance(10 * MINUTE_MS);
  assert.equal(runner.status().session?.mode, 'online', 'proved');
  assert.deepEqual(device.logins, {});
  const { reason, subject } = device.tombstones[alice.userId] ?? {};
  assert.deepEqual([reason, subject], ['forgotten', alice.subject], 'and no older answer counts');
  assert.deepEqual(defects, []);
  await apart(async () => assert.match(await login('alice', ALICE), /^denied no_cached_login offline$/));
});

// Of users whom the last hello did not name no server says anything: one who is disabled later would get in offline.
test('who logs in after a wipe is named to the server again', async () => {
  const { clock, runner, device, server, login } = await started();
  await login('alice', ALICE);
  const [alice] = Object.values(device.logins);
  assert.ok(alice !== undefined);
  runner.logout();
  server('primary').wipe(7);
  await clock.advance(1_000);
  assert.deepEqual(server('primary').hellos.at(-1), [], 'nobody is left');
  await login('alice', ALICE);
  assert.deepEqual(server('primary').hellos.at(-1), [alice.userId]);
});

test('a wipe that the disk refuses is not taken for done, stops nothing else, and is tried again', async () => {
  const { clock, device, server, login, defects } = await started();
  await login('alice', ALICE);
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  device.refusesWipe = full;
  server('primary').wipe(7);
  await clock.advance(1_000);
  assert.equal(device.wiped, undefined);
  assert.deepEqual(device.logins, {}, 'what can go is gone');
  assert.ok(defects.includes(full), 'it is told');
  assert.equal(await login('eve@lab.test', EVE), 'granted online', 'the agent goes on');
  const told = defects.length;
  await clock.advance(10_000);
  assert.equal(defects.length, told, 'not with each event');
  device.refusesWipe = undefined;
  await clock.advance(2 * MINUTE_MS);
  assert.equal(device.wiped, 7);
  assert.deepEqual(device.logins, {});
  const done = [...device.outbox, ...server('primary').events].filter(({ type }) => type === 'cache.wiped');
  assert.deepEqual(
    done.map(({ data }) => data),
    [{ number: 7, users: 2 }],
    'told once, with all who are forgotten',
  );
});
