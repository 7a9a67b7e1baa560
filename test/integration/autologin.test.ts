import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EffectiveSettings } from '@thinman/protocol';
import { type ManualClock, manualClock } from '../support/manual-clock.ts';
import type { StoredDevice } from '../support/memory-cache.ts';
import { commit, type SiteView, siteWith } from '../support/model-site.ts';
import { simulate } from '../support/simulated-agent.ts';

const MINUTE_MS = 60_000;
const PASSWORD = 'kiosk-password';
const site: SiteView = (() => {
  const one = siteWith('kiosk', PASSWORD);
  const { kiosk } = one.users;
  if (kiosk === undefined) throw new Error('no kiosk');
  const bob = { ...kiosk, name: 'bob', userId: '00000000-0000-4000-8000-00000000000b', password: 'bobs-password' };
  return { ...one, users: { kiosk, bob } };
})();
const policy = (password = PASSWORD, user = 'kiosk'): EffectiveSettings => ({
  'session.autologin': { user, password },
  'session.lockAfterMinutes': 1,
});

async function start(
  options: { clock?: ManualClock; device?: StoredDevice; alive?: readonly string[]; view?: SiteView } = {},
  settings: () => EffectiveSettings = policy,
) {
  const { clock = manualClock(), device, alive = ['primary', 'secondary'], view = site } = options;
  const world = simulate({
    ...{ clock, servers: ['primary', 'secondary'], view, settings },
    ...(device !== undefined && { device }),
  });
  for (const name of ['primary', 'secondary']) if (!alive.includes(name)) world.server(name).condition = 'dead';
  world.runner.start();
  await clock.advance(5_000);
  const who = () => {
    const { session } = world.runner.status();
    return session === null ? 'nobody' : `${session.user} ${session.mode}${session.autologin ? ' by itself' : ''}`;
  };
  const loginsAsked = () =>
    ['primary', 'secondary'].flatMap(name => world.server(name).asked).filter(a => a === 'login');
  return { clock, who, loginsAsked, ...world };
}

test('the account of a kiosk is signed in at start: by the Primary, by the Secondary, and by the device alone', async () => {
  const first = await start();
  assert.equal(first.who(), 'kiosk online by itself');
  const { clock, device } = first;
  assert.equal((await start({ clock, device, alive: ['secondary'] })).who(), 'kiosk online by itself');
  const alone = await start({ clock, device, alive: [] });
  assert.equal(alone.who(), 'kiosk offline by itself');
  assert.deepEqual(alone.runner.status().autologin, { user: 'kiosk', reason: null });
  assert.deepEqual(alone.defects, []);
});

test('a device that never saw a server signs in as soon as one is there', async () => {
  const world = await start({ alive: [] });
  assert.equal(world.who(), 'nobody');
  assert.equal(world.runner.status().autologin?.reason, 'no_cached_login');
  await world.clock.advance(30 * MINUTE_MS);
  // Right after a try that failed: the next one by itself is five minutes away.
  const tries = () => world.device.outbox.filter(({ type }) => type === 'login').length;
  const before = tries();
  while (tries() === before) await world.clock.advance(1_000);
  world.server('secondary').condition = 'up';
  // The channel is looked for once a minute; the login waits for nothing beyond it.
  await world.clock.advance(80_000);
  assert.equal(world.who(), 'kiosk online by itself');
});

test('it begins again when it has ended, and lets somebody else work in between', async () => {
  const { clock, runner, who } = await start();
  await clock.advance(2 * MINUTE_MS);
  runner.logout();
  await clock.advance(2_000);
  assert.equal(who(), 'kiosk online by itself');

  const login = runner.login('bob', 'bobs-password');
  await clock.advance(2_000);
  assert.equal((await login).verdict, 'granted');
  await clock.advance(10 * MINUTE_MS);
  assert.equal(who(), 'bob online');
  runner.logout();
  await clock.advance(2_000);
  assert.equal(who(), 'kiosk online by itself');
});

test('a session that ends again and again is not begun again all the time', async () => {
  const { clock, runner, loginsAsked } = await start();
  const before = loginsAsked().length;
  for (let second = 0; second < 60; second++) {
    runner.logout();
    await clock.advance(1_000);
  }
  assert.ok(loginsAsked().length - before <= 5, `${loginsAsked().length - before} logins`);
});

test('a wrong password in the policy is tried a few times an hour, and a right one at once', async () => {
  let settings = policy('not-the-password');
  const world = await start({}, () => settings);
  await world.clock.advance(60 * MINUTE_MS);
  assert.equal(world.who(), 'nobody');
  assert.equal(world.runner.status().autologin?.reason, 'credentials_invalid');
  assert.ok(world.loginsAsked().length <= 4, `${world.loginsAsked().length} logins`);
  settings = policy();
  // Another policy is another commit.
  for (const name of ['primary', 'secondary']) world.server(name).view = commit(site);
  world.server('primary').kill();
  await world.clock.advance(5_000);
  assert.equal(world.who(), 'kiosk online by itself');
});

test('what the device alone has refused is asked of a server as soon as one is there', async () => {
  const { clock, device } = await start();
  // The policy with another password came, and then the power went, and the servers.
  const settings = policy('another-password');
  if (device.bundle !== undefined) device.bundle = { ...device.bundle, settings };
  const view = commit(site, 'kiosk', { password: 'another-password' });
  const world = await start({ clock, device, alive: [], view }, () => settings);
  assert.equal(world.runner.status().autologin?.reason, 'credentials_invalid');
  world.server('secondary').condition = 'up';
  await clock.advance(80_000);
  assert.equal(world.who(), 'kiosk online by itself');
});

test('its screen is not locked, and nobody types its password: its attempts cannot be used up here', async () => {
  const { clock, runner, who, loginsAsked } = await start();
  const before = loginsAsked().length;
  runner.activity(true);
  runner.lock();
  await clock.advance(5 * MINUTE_MS);
  assert.equal(runner.status().session?.locked, undefined);
  for (const password of ['guess', PASSWORD]) {
    const login = runner.login('kiosk', password);
    await clock.advance(5_000);
    assert.equal((await login).reason, 'autologin_only');
  }
  const unlock = runner.unlock(PASSWORD);
  await clock.advance(5_000);
  assert.equal((await unlock)?.reason, 'autologin_only');
  assert.equal(loginsAsked().length, before);
  assert.equal(who(), 'kiosk online by itself');
});

test('a policy that names it no more ends its session, and not one of a person', async () => {
  let settings = policy();
  const world = await start({}, () => settings);
  settings = {};
  for (const name of ['primary', 'secondary']) world.server(name).view = commit(site);
  world.server('primary').kill();
  await world.clock.advance(5_000);
  assert.equal(world.who(), 'nobody');
  assert.equal(world.runner.status().autologin, undefined);
});

test('a locked session that the device cannot open itself keeps nobody out, also where locked ones are kept', async () => {
  let settings: EffectiveSettings = {};
  const world = await start({}, () => settings);
  const login = world.runner.login('kiosk', PASSWORD);
  await world.clock.advance(2_000);
  assert.equal((await login).verdict, 'granted');
  world.runner.lock();
  settings = { ...policy('not-the-password'), 'session.unlockBy': 'same-user' };
  for (const name of ['primary', 'secondary']) world.server(name).view = commit(site);
  world.server('primary').kill();
  await world.clock.advance(5_000);
  assert.equal(world.runner.status().session?.locked, true);
  assert.equal(world.runner.mayEnd(), true);
  const other = world.runner.login('bob', 'bobs-password');
  await world.clock.advance(2_000);
  assert.equal((await other).verdict, 'granted');
});

test('of an account that was refused it hears at the next change, and tries by itself after minutes', async () => {
  const disabled = commit(site, 'kiosk', { disabled: true });
  const world = await start({ view: disabled });
  assert.equal(world.runner.status().autologin?.reason, 'account_disabled');
  await world.clock.advance(20 * MINUTE_MS);
  const before = world.loginsAsked().length;
  await world.clock.advance(60 * MINUTE_MS);
  const hourly = world.loginsAsked().length - before;
  assert.ok(hourly >= 5 && hourly <= 7, `${hourly} logins an hour`);

  const enabled = commit(disabled, 'kiosk', { disabled: false });
  for (const name of ['primary', 'secondary']) world.server(name).view = enabled;
  // What a server tells the devices of whose account a change says something.
  world.server('primary').tellChanged();
  await world.clock.advance(11_000);
  assert.equal(world.who(), 'kiosk online by itself');

  for (const name of ['primary', 'secondary']) world.server(name).view = commit(enabled, 'kiosk', { disabled: true });
  world.runner.logout();
  await world.clock.advance(2 * MINUTE_MS);
  assert.equal(world.who(), 'nobody');
  const asked = world.loginsAsked().length;
  for (let second = 0; second < 60; second++) {
    world.server('primary').view = commit(world.server('primary').view);
    world.server('primary').tellChanged();
    await world.clock.advance(1_000);
  }
  const tries = world.loginsAsked().length - asked;
  assert.ok(tries >= 2 && tries <= 7, `${tries} tries in a minute of changes`);
  for (const name of ['primary', 'secondary'])
    world.server(name).view = commit(world.server('primary').view, 'kiosk', { disabled: false });
  await world.clock.advance(10 * MINUTE_MS);
  assert.equal(world.who(), 'kiosk online by itself', 'nobody has told it');
});

test('the account of a directory is itself under every form of its name, here and where its policy has another', async () => {
  const { kiosk } = site.users;
  assert.ok(kiosk);
  const named = (name: string) => ({ ...kiosk, name, ofDirectory: true });
  const users = { 'LAB\\kiosk': named('LAB\\kiosk'), 'kiosk@lab.test': named('kiosk@lab.test') };
  const world = await start({ view: { ...site, users } }, () => policy(PASSWORD, 'LAB\\kiosk'));
  assert.equal(world.who(), 'LAB\\kiosk online by itself');
  const before = world.loginsAsked().length;
  for (const name of ['kiosk@lab.test', 'lab\\KIOSK', 'KIOSK@Lab.Test']) {
    const login = world.runner.login(name, 'guess');
    await world.clock.advance(5_000);
    assert.equal((await login).reason, 'autologin_only', name);
  }
  assert.equal(world.loginsAsked().length, before, 'no attempt of it is used up');
  world.runner.lock();
  assert.equal(world.runner.status().session?.locked, undefined);

  // Offline too, as it was cached.
  await world.clock.advance(2_000);
  const alone = await start({ clock: world.clock, device: world.device, alive: [] }, () =>
    policy(PASSWORD, 'LAB\\kiosk'),
  );
  assert.equal(alone.who(), 'LAB\\kiosk offline by itself');
});
