import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_KDF, type KdfParameters } from '@thinman/protocol';
import { manualClock } from '../support/manual-clock.ts';
import { commit, type ModelUser, type SiteView, siteWith } from '../support/model-site.ts';
import { simulate } from '../support/simulated-agent.ts';

// A directory's user is let in by the password itself; the key that seals the cached row is derived after the answer.

const DERIVE_MS = 500;
const NAMES = ['eve', 'dan', 'ida'] as const;
const PASSWORD = 'winter-2026';
const idOf = (at: number) => `00000000-0000-5000-8000-00000000000${at}`;
const nameOf = (who: string) => `${who}@lab.test`;

function directoryView(): SiteView {
  const { users, ...view } = siteWith('alice', 'first-password');
  const [alice] = Object.values(users);
  assert.ok(alice !== undefined);
  const others = NAMES.map((who, at): [string, ModelUser] => [
    nameOf(who),
    { ...alice, userId: idOf(at), name: nameOf(who), password: `${who}-${PASSWORD}`, ofDirectory: true },
  ]);
  return { ...view, users: { ...users, ...Object.fromEntries(others) } };
}

async function started() {
  const clock = manualClock();
  const world = simulate({ clock, servers: ['primary', 'secondary'], view: directoryView(), deriveMs: DERIVE_MS });
  world.runner.start();
  await clock.advance(1_000);
  /** Answered, with the derivation still under way. */
  const quickLogin = async (who: string, password = `${who}-${PASSWORD}`) => {
    const login = world.runner.login(nameOf(who), password);
    await clock.advance(50);
    return (await login).verdict;
  };
  const offline = async (who: string, password = `${who}-${PASSWORD}`) => {
    const login = world.runner.login(nameOf(who), password);
    await clock.advance(5_000);
    const { verdict, mode, reason } = await login;
    return [verdict, reason, mode].filter(Boolean).join(' ');
  };
  const loseServers = async () => {
    for (const name of ['primary', 'secondary']) world.server(name).kill();
    await clock.advance(5_000);
  };
  return { clock, ...world, quickLogin, offline, loseServers };
}

test('who logs in while the key of the one before is derived takes nothing away: each has a row', async () => {
  const { clock, device, quickLogin, offline, loseServers, defects } = await started();
  for (const who of NAMES) assert.equal(await quickLogin(who), 'granted');
  assert.deepEqual(Object.keys(device.logins), [], 'none is there yet');
  await clock.advance(NAMES.length * DERIVE_MS);
  assert.deepEqual(Object.keys(device.logins).toSorted(), NAMES.map(nameOf).toSorted());
  await loseServers();
  for (const who of NAMES) {
    assert.equal(await offline(who), 'granted offline');
    assert.equal(await offline(who, 'another'), 'denied credentials_invalid offline');
  }
  assert.deepEqual(defects, []);
});

test('also who logs out at once', async () => {
  const { clock, runner, quickLogin, offline, loseServers } = await started();
  assert.equal(await quickLogin('eve'), 'granted');
  runner.logout();
  await clock.advance(DERIVE_MS);
  await loseServers();
  assert.equal(await offline('eve'), 'granted offline');
});

test('servers hear of the new user at once, not with the next channel', async () => {
  const { clock, server, device, quickLogin } = await started();
  await quickLogin('eve');
  const primary = server('primary');
  primary.view = commit(primary.view, nameOf('eve'), { disabled: true });
  await clock.advance(DERIVE_MS + 100);
  assert.ok(device.tombstones[idOf(0)] !== undefined, 'the answer to the hello said so');
});

test('a password that was changed meanwhile counts, whichever derivation ends last', async () => {
  const { clock, server, quickLogin, offline, loseServers } = await started();
  await quickLogin('eve');
  for (const name of ['primary', 'secondary']) {
    const each = server(name);
    each.view = commit(each.view, nameOf('eve'), { password: 'spring-2027' });
  }
  assert.equal(await quickLogin('eve', 'spring-2027'), 'granted');
  await clock.advance(2 * DERIVE_MS);
  await loseServers();
  assert.equal(await offline('eve', 'spring-2027'), 'granted offline');
  assert.equal(await offline('eve'), 'denied credentials_invalid offline');
});

test('a device that is revoked meanwhile holds no row afterwards', async () => {
  const { clock, server, runner, device, quickLogin } = await started();
  await quickLogin('eve');
  for (const name of ['primary', 'secondary']) {
    const each = server(name);
    each.view = { ...commit(each.view), revokedAt: each.view.generation + 1 };
  }
  const refused = runner.login(nameOf('dan'), PASSWORD);
  await clock.advance(DERIVE_MS * 4);
  assert.equal((await refused).reason, 'device_revoked');
  assert.deepEqual(device.logins, {});
});

test('a row costs what the site asks for, follows when that is raised, and never gets cheaper', async () => {
  const { clock, server, device, quickLogin, offline, loseServers } = await started();
  const asksFor = (sealing: KdfParameters) => {
    for (const name of ['primary', 'secondary']) {
      const each = server(name);
      each.view = { ...commit(each.view), sealing };
    }
  };
  const costAfterLogin = async () => {
    assert.equal(await quickLogin('eve'), 'granted');
    await clock.advance(3 * DERIVE_MS);
    return device.logins[nameOf('eve')]?.kdf;
  };
  const cheap = { ...DEFAULT_KDF, memoryKib: 19 * 1024 };
  const dear = { ...DEFAULT_KDF, passes: 4 };
  asksFor(cheap);
  assert.deepEqual(await costAfterLogin(), cheap);
  asksFor(dear);
  assert.deepEqual(await costAfterLogin(), dear);
  asksFor(cheap);
  assert.deepEqual(await costAfterLogin(), dear);
  asksFor({ ...dear, passes: 90 });
  assert.deepEqual(await costAfterLogin(), dear, 'too dear for a thin client');
  const told = ['primary', 'secondary'].flatMap(name => server(name).events);
  assert.ok(told.some(({ type }) => type === 'alarm.kdf'));
  await loseServers();
  assert.equal(await offline('eve'), 'granted offline');
  assert.equal(await offline('eve', 'another'), 'denied credentials_invalid offline');
});
