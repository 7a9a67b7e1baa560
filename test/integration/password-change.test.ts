import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DEFAULT_KDF, type KdfParameters, ObjectOutput } from '@thinman/protocol';
import { openCache } from '../../packages/agent/src/adapters/cache.ts';
import { systemClock } from '../../packages/agent/src/adapters/clock.ts';
import { type LocalDevice, PATIENT_TIMINGS, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const FIRST = 'the-first-password';
const SECOND = 'the-second-password';
/** Cheap, so that a test can raise it. */
const CHEAP: KdfParameters = { ...DEFAULT_KDF, memoryKib: 19 * 1024 };

let site: SiteInProcess;
let device: LocalDevice;
let other: LocalDevice;

const settings = (kdf: KdfParameters) => ({
  kind: 'SiteSettings',
  name: 'site',
  body: { agent: PATIENT_TIMINGS, kdf },
});
before(async () => {
  site = await siteInProcess();
  await site.apply(settings(CHEAP));
  await site.apply(...['alice', 'bob', 'rita'].map(name => ({ kind: 'User', name, body: { password: FIRST } })));
  device = await site.enrol('tc-1');
  other = await site.enrol('tc-2');
  for (const each of [device, other]) {
    await each.start();
    await each.waitUntilOnline();
  }
});
after(() => site.close());

const verdict = async (on: LocalDevice, user: string, password: string) => {
  const { verdict: said, reason, mode } = await on.running().login(user, password);
  return said === 'granted' ? `granted ${mode}` : `${reason} ${mode}`;
};
const change = async (user: string, password: string, newPassword: string) => {
  const { changed, reason } = await device.running().changePassword(user, password, newPassword);
  return changed ? 'changed' : reason;
};
function cachedKey(user: string) {
  const cache = openCache(`${device.dir}/cache.db`, { ...device.identity(), clock: systemClock });
  const login = cache.cachedLogin(user);
  cache.close();
  return [login?.kdf.memoryKib, login?.credentialVersion];
}

describe('a user who changes the own password', () => {
  test('needs the old one, and one that is new and long enough', async () => {
    assert.equal(await verdict(device, 'alice', FIRST), 'granted online');
    assert.equal(await change('alice', 'not-the-password', SECOND), 'credentials_invalid');
    assert.equal(await change('alice', FIRST, 'short'), 'password_refused');
    assert.equal(await change('alice', FIRST, FIRST), 'password_refused');
    assert.equal(await change('nobody', FIRST, SECOND), 'credentials_invalid');
    assert.equal(await verdict(device, 'alice', FIRST), 'granted online');
  });

  test('stays signed in here, and is signed out elsewhere', async () => {
    assert.equal(await verdict(other, 'alice', FIRST), 'granted online');
    const { since } = device.running().status().session ?? {};
    assert.equal(await change('alice', FIRST, SECOND), 'changed');
    assert.deepEqual(device.running().status().session, { user: 'alice', mode: 'online', since });
    await waitFor('the session elsewhere to end', () => (other.running().status().session === null ? true : undefined));
    assert.equal(await verdict(device, 'alice', FIRST), 'credentials_invalid online');
    assert.equal(await verdict(device, 'alice', SECOND), 'granted online');
    const ended = (await site.events('session.ended')).filter(({ origin }) => origin === 'device:tc-1');
    assert.deepEqual(ended, []);
  });

  test('can do so when it has expired, and it has no more', async () => {
    await site.apply({ kind: 'User', name: 'bob', body: { passwordExpiresAt: '2026-01-01T00:00:00Z' } });
    assert.equal(await verdict(device, 'bob', FIRST), 'password_expired online');
    assert.equal(await change('bob', FIRST, SECOND), 'changed');
    assert.equal(await verdict(device, 'bob', SECOND), 'granted online');
    const { body } = await site.primary.ask(ObjectOutput, '/objects/User/bob');
    assert.deepEqual(body, {});
  });

  test('has the new one offline at once, and the old one no more', async () => {
    assert.equal(await verdict(device, 'alice', SECOND), 'granted online');
    await device.running().logout();
    assert.equal(await change('alice', SECOND, FIRST), 'changed');
    await site.primary.stop();
    await waitFor('it to be alone', () => (device.running().status().mode === 'offline' ? true : undefined));
    assert.equal(await verdict(device, 'alice', SECOND), 'credentials_invalid offline');
    assert.equal(await verdict(device, 'alice', FIRST), 'granted offline');
    assert.equal(await change('alice', FIRST, SECOND), 'primary_needed');
    await site.primary.start();
    await device.waitUntilOnline();
  });
});

test('a higher cost takes hold at the next login, ends no session elsewhere, and the password stays', async () => {
  assert.equal(await verdict(other, 'rita', FIRST), 'granted online');
  assert.equal(await verdict(device, 'rita', FIRST), 'granted online');
  await site.apply(settings(DEFAULT_KDF));
  assert.equal(await verdict(device, 'rita', FIRST), 'granted online');
  const raised = await waitFor('the raised key', async () => {
    const [commit] = (await site.events('admin.commit')).filter(({ data }) => data.actor === 'user:rita');
    return commit;
  });
  assert.deepEqual(raised.data.changes, [{ kind: 'User', name: 'rita', change: 'updated' }]);
  assert.equal(other.running().status().session?.user, 'rita');
  assert.equal(await verdict(device, 'rita', FIRST), 'granted online');
  assert.equal(await verdict(other, 'rita', FIRST), 'granted online');
  await device.stop();
  assert.deepEqual(cachedKey('rita'), [DEFAULT_KDF.memoryKib, 1]);
  await device.start();
  await device.waitUntilOnline();
  await site.primary.stop();
  assert.equal(await verdict(device, 'rita', FIRST), 'granted offline');
});
