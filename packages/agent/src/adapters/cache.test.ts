import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  DEFAULT_AGENT_TIMINGS,
  DEFAULT_KDF,
  DEFAULT_OFFLINE_RULES,
  type DeviceBundle,
  type ThinmanEvent,
} from '@thinman/protocol';
import Database from 'better-sqlite3';
import { DEVICE_ID, SITE_ID } from '../../../../test/support/ids.ts';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import type { Cache, CachedLogin, Tombstone } from '../ports.ts';
import { openCache } from './cache.ts';

const ALICE = '9d0f3b7a-52c4-4a0e-8a63-7f2b1c5d4e33';
const deviceSecret = Buffer.alloc(32, 5);
let dir: string;
let path: string;
let cache: Cache;

const open = (file = path) =>
  openCache(file, { siteId: SITE_ID, deviceId: DEVICE_ID, deviceSecret, clock: manualClock() });
const reopen = () => {
  cache.close();
  cache = open();
};
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thinman-cache-'));
  path = join(dir, 'cache.db');
  cache = open();
});
afterEach(() => {
  cache.close();
  rmSync(dir, { recursive: true, force: true });
});

function login(fields: Partial<CachedLogin> = {}): CachedLogin {
  return {
    user: 'alice',
    userId: ALICE,
    method: 'derived',
    salt: 'AAECAwQFBgcICQoLDA0ODw',
    kdf: DEFAULT_KDF,
    subject: { epoch: 1, generation: 5 },
    credentialVersion: 3,
    bundleVersion: { epoch: 1, generation: 7 },
    bundleEtag: 'etag',
    offline: DEFAULT_OFFLINE_RULES,
    lastOnlineMs: 1_000,
    sealed: Buffer.from('sealed'),
    ...fields,
  };
}

function tombstone(generation: number, fields: Partial<Tombstone> = {}): Tombstone {
  return { userId: ALICE, user: 'alice', reason: 'disabled', subject: { epoch: 1, generation }, ...fields };
}

function event(type = 'login'): ThinmanEvent {
  return { id: randomUUID(), type, at: 1, user: 'alice', data: { verdict: 'granted' } };
}

const deviceBundle: DeviceBundle = {
  version: { epoch: 1, generation: 4 },
  etag: 'e',
  device: { id: DEVICE_ID, name: 'tc-1', group: null },
  settings: { 'power.screenOffAfterMinutes': 10 },
  profile: { connections: [{ name: 'kiosk', type: 'web', url: 'https://kiosk.example.org' }] },
  timings: DEFAULT_AGENT_TIMINGS,
};

test('a new store is new, holds nothing, and is found in order afterwards', () => {
  assert.deepEqual(cache.condition, { kind: 'new' });
  assert.equal(cache.cachedLogin('alice'), undefined);
  assert.equal(cache.knownSubject('alice'), undefined);
  assert.deepEqual(cache.offlineFailures('alice'), { count: 0, lastMs: 0 });
  assert.equal(cache.deviceBundle(), undefined);
  assert.deepEqual(cache.acceptedVersion(), { epoch: 0, generation: 0 });
  assert.equal(cache.clockMark(), undefined);
  reopen();
  assert.deepEqual(cache.condition, { kind: 'ok' });
});

test('everything is there again after a restart', () => {
  cache.commitLogin({ user: 'alice', save: login(), event: event() });
  cache.setTombstone(tombstone(9, { userId: DEVICE_ID, user: 'bob' }), false);
  cache.countOfflineFailure('carol', 77);
  cache.saveDeviceBundle(deviceBundle);
  cache.setAcceptedVersion({ epoch: 2, generation: 1 });
  cache.setClockMark({ highWaterMs: 5, forgivenBoots: 1 });
  reopen();
  assert.deepEqual(cache.cachedLogin('alice'), login());
  assert.equal(cache.cachedUsers()[0]?.userId, ALICE);
  assert.deepEqual(cache.tombstone(DEVICE_ID), tombstone(9, { userId: DEVICE_ID, user: 'bob' }));
  assert.deepEqual(cache.offlineFailures('carol'), { count: 1, lastMs: 77 });
  assert.deepEqual(cache.deviceBundle(), deviceBundle);
  assert.deepEqual(cache.acceptedVersion(), { epoch: 2, generation: 1 });
  assert.deepEqual(cache.clockMark(), { highWaterMs: 5, forgivenBoots: 1 });
  assert.equal(cache.pendingEventCount(), 1);
});

test('the files are closed to everybody else, also while they are in use', () => {
  cache.commitLogin({ user: 'alice', save: login() });
  const files = readdirSync(dir);
  assert.ok(files.includes('cache.db-wal'));
  for (const file of files) assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600, file);
});

test('a login is committed with all that it changes, as one', () => {
  cache.countOfflineFailure('alice', 1);
  cache.setTombstone(tombstone(4), false);
  cache.commitLogin({ user: 'alice', save: login(), clearTombstoneOf: ALICE, clearFailures: true, event: event() });
  assert.equal(cache.tombstone(ALICE), undefined);
  assert.equal(cache.offlineFailures('alice').count, 0);
  assert.equal(cache.pendingEventCount(), 1);

  cache.commitLogin({ user: 'alice', erase: true, tombstone: tombstone(8), event: event() });
  assert.equal(cache.cachedLogin('alice'), undefined);
  assert.equal(cache.tombstone(ALICE)?.subject.generation, 8);
  assert.equal(cache.pendingEventCount(), 2);
});

test('what a login comes to besides is written with it, behind it', () => {
  const [one, other] = [event(), event()];
  cache.commitLogin({ user: 'alice', save: login(), event: one, also: [other] });
  reopen();
  assert.deepEqual(cache.pendingEvents(10), [one, other]);
});

test('events that were delivered are gone after a kill too, and what is committed after them is on the disk', () => {
  const [one, other] = [event(), event()];
  cache.appendEvent(one);
  cache.removeEvents([one.id]);
  cache.commitLogin({ user: 'alice', save: login(), event: other });
  // As a kill leaves it.
  const killed = mkdtempSync(join(tmpdir(), 'thinman-killed-'));
  for (const file of readdirSync(dir)) copyFileSync(join(dir, file), join(killed, file));
  const again = open(join(killed, 'cache.db'));
  assert.deepEqual(again.pendingEvents(10), [other]);
  assert.equal(again.cachedLogin('alice')?.user, 'alice');
  again.close();
  rmSync(killed, { recursive: true });
});

test('only what was delivered may come to the disk later: all else is flushed, also behind that', t => {
  const pragma = t.mock.method(Database.prototype, 'pragma');
  const modes = () =>
    pragma.mock.calls.flatMap(({ arguments: [what] }) => (what.startsWith('synchronous') ? [what.slice(-6)] : []));
  const one = event();
  cache.appendEvent(one);
  assert.deepEqual(modes(), []);
  cache.removeEvents([one.id]);
  assert.deepEqual(modes(), ['NORMAL', '= FULL']);
  cache.commitLogin({ user: 'alice', save: login(), event: event() });
  assert.equal(modes().length, 2);
});

test('the time that a grant rested on is committed with it', () => {
  cache.commitLogin({ user: 'alice', clockMark: { highWaterMs: 7, forgivenBoots: 0 }, event: event() });
  assert.deepEqual(cache.clockMark(), { highWaterMs: 7, forgivenBoots: 0 });
  reopen();
  assert.deepEqual(cache.clockMark(), { highWaterMs: 7, forgivenBoots: 0 });
});

test('the newest subject known comes from the login or from a tombstone, whichever is newer', () => {
  cache.commitLogin({ user: 'alice', save: login({ subject: { epoch: 1, generation: 5 } }) });
  assert.deepEqual(cache.knownSubject('alice'), { epoch: 1, generation: 5 });
  cache.setTombstone(tombstone(9), false);
  assert.deepEqual(cache.knownSubject('alice'), { epoch: 1, generation: 9 });
  cache.commitLogin({ user: 'alice', save: login({ subject: { epoch: 2, generation: 1 } }) });
  assert.deepEqual(cache.knownSubject('alice'), { epoch: 2, generation: 1 });
  cache.setTombstone(tombstone(9), true);
  assert.equal(cache.cachedLogin('alice'), undefined);
  assert.deepEqual(cache.knownSubject('alice'), { epoch: 1, generation: 9 });
});

test('names are told apart by case and accent', () => {
  cache.commitLogin({ user: 'alice', save: login() });
  for (const name of ['Alice', 'àlice', 'alice ']) assert.equal(cache.cachedLogin(name), undefined, name);
});

test('a user who was renamed has one cached login, under the new name', () => {
  cache.commitLogin({ user: 'alice', save: login() });
  cache.commitLogin({ user: 'alice.rossi', save: login({ user: 'alice.rossi' }) });
  assert.equal(cache.cachedLogin('alice'), undefined);
  assert.deepEqual(
    cache.cachedUsers().map(known => known.user),
    ['alice.rossi'],
  );
});

test("a directory's user is found in every form of the name that a server has taken, and guesses are counted once", () => {
  const of = (user: string, fields: Partial<CachedLogin> = {}) => login({ user, method: 'password', ...fields });
  cache.commitLogin({ user: 'LAB\\alice', save: of('LAB\\alice', { names: ['alice@lab.test'] }) });
  cache.commitLogin({ user: 'alice', save: of('alice') });
  reopen();
  for (const typed of ['lab\\alice', 'Alice@lab.test', 'alice']) {
    assert.equal(cache.cachedLogin(typed)?.user, 'alice', typed);
    assert.deepEqual(cache.knownSubject(typed), { epoch: 1, generation: 5 }, typed);
    cache.countOfflineFailure(typed, 7);
  }
  assert.deepEqual(cache.offlineFailures('LAB\\Alice'), { count: 3, lastMs: 7 });
  assert.equal(cache.cachedLogin('alice@elsewhere.test'), undefined);
  cache.commitLogin({ user: 'alice@lab.test', save: of('alice@lab.test'), clearFailures: true });
  assert.equal(cache.offlineFailures('alice').count, 0);
  assert.equal(cache.cachedLogin('LAB\\alice')?.user, 'alice@lab.test');
  assert.equal(cache.cachedLogin('alice'), undefined, 'a plain name may be a local user now');
});

test('events wait in order until they are acknowledged, and one that comes twice is one', () => {
  const events = [event(), event('failover'), event('online')];
  for (const one of events) cache.appendEvent(one);
  cache.appendEvent(events[0] as ThinmanEvent);
  assert.deepEqual(cache.pendingEvents(10), events);
  assert.deepEqual(cache.pendingEvents(2), events.slice(0, 2));
  cache.removeEvents([events[1]?.id ?? '', randomUUID()]);
  reopen();
  assert.deepEqual(cache.pendingEvents(10), [events[0], events[2]]);
});

test('a revocation erases users and bundle, from the file as well, and leaves the events', () => {
  const marker = 'recognisable-sealed-bytes';
  cache.commitLogin({ user: 'alice', save: login({ sealed: Buffer.from(marker) }), event: event() });
  cache.setTombstone(tombstone(3, { userId: DEVICE_ID, user: 'bob' }), false);
  cache.countOfflineFailure('alice', 1);
  cache.saveDeviceBundle(deviceBundle);
  cache.eraseUsers();
  assert.equal(cache.cachedLogin('alice'), undefined);
  assert.equal(cache.tombstone(DEVICE_ID), undefined);
  assert.equal(cache.offlineFailures('alice').count, 0);
  assert.equal(cache.deviceBundle(), undefined);
  assert.equal(cache.pendingEventCount(), 1);
  for (const file of readdirSync(dir)) assert.ok(!readFileSync(join(dir, file)).includes(marker), file);
});

test("nothing of the device's bundle is readable in the files", () => {
  cache.saveDeviceBundle(deviceBundle);
  const words = ['kiosk.example.org', 'screenOffAfterMinutes'];
  for (const file of readdirSync(dir)) {
    const content = readFileSync(join(dir, file));
    for (const word of words) assert.ok(!content.includes(word), `${word} in ${file}`);
  }
});

/** SQLite's application id in the header of the file itself. */
const isMarkedInUse = () => readFileSync(path).subarray(68, 72).toString('latin1') === 'TMca';

test('a file says that it is in use from its first commit on, and not while it is read alone', () => {
  cache.commitLogin({ user: 'alice', save: login() });
  reopen();
  assert.equal(cache.cachedLogin('alice')?.userId, ALICE);
  assert.equal(cache.pendingEventCount(), 0);
  cache.appendEvent({ id: randomUUID(), type: 'offline', at: 1, data: {} }, 'later');
  assert.equal(cache.pendingEventCount(), 1);
  assert.equal(isMarkedInUse(), false);
  cache.settle();
  assert.equal(isMarkedInUse(), true);
  reopen();
  assert.equal(isMarkedInUse(), false);
  assert.equal(cache.pendingEventCount(), 1);
});

test('what waited for the disk is before what is written later, whatever that is', () => {
  const waiting = () => ({ ...event(), user: 'waiting' });
  cache.appendEvent(waiting(), 'later');
  cache.commitLogin({ user: 'alice', save: login(), event: event() });
  cache.appendEvent(waiting(), 'later');
  cache.setEmergency('alice', { kind: 'challenge', challenge: '1', askedMs: 1, triesLeft: 1 }, event());
  cache.appendEvent(waiting(), 'later');
  cache.wipeUsers(1, event());
  reopen();
  assert.deepEqual(
    cache.pendingEvents(9).map(({ user }) => user === 'waiting'),
    [true, false, true, false, true, false],
  );
});

test('an event that was left for later is written with a login, and is among those to be sent', () => {
  const later = { id: randomUUID(), type: 'offline', at: 1, data: {} } as const;
  cache.appendEvent(later, 'later');
  cache.commitLogin({ user: 'alice', save: login() });
  reopen();
  assert.deepEqual(cache.pendingEvents(9), [later]);
});
