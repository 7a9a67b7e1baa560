import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DEFAULT_KDF, DEFAULT_OFFLINE_RULES, type ThinmanEvent } from '@thinman/protocol';
import { DEVICE_ID, SITE_ID } from '../../../../test/support/ids.ts';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import type { Cache, CachedLogin } from '../ports.ts';
import { openCache } from './cache.ts';

const deviceSecret = Buffer.alloc(32, 5);
let dir: string;
let path: string;
let cache: Cache;

const open = () => openCache(path, { siteId: SITE_ID, deviceId: DEVICE_ID, deviceSecret, clock: manualClock() });
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

const idOf = (n: number) => `9d0f3b7a-52c4-4a0e-8a63-${String(n).padStart(12, '0')}`;
function login(user: string, n: number, fields: Partial<CachedLogin> = {}): CachedLogin {
  return {
    ...{ user, userId: idOf(n), method: 'derived', salt: 'AAECAwQFBgcICQoLDA0ODw', kdf: DEFAULT_KDF },
    ...{ subject: { epoch: 1, generation: n }, credentialVersion: 1, bundleVersion: { epoch: 1, generation: n } },
    ...{
      bundleEtag: 'etag',
      offline: DEFAULT_OFFLINE_RULES,
      lastOnlineMs: 1_000,
      sealed: Buffer.from(`sealed-canary-${user}`),
    },
    ...fields,
  };
}
const event = (type: string): ThinmanEvent => ({ id: randomUUID(), type, at: 1, data: {} });
const onDisk = () =>
  readdirSync(dir)
    .map(name => readFileSync(join(dir, name), 'latin1'))
    .join('');

test('who makes room leaves no row, and the version below which no answer counts', () => {
  cache.commitLogin({ user: 'alice', save: login('alice', 5), event: event('login') });
  cache.commitLogin({ user: 'bob', save: login('bob', 6) });
  cache.countOfflineFailure('alice', 7);
  cache.forgetUsers(['alice', 'nobody']);
  reopen();
  assert.equal(cache.cachedLogin('alice'), undefined);
  assert.deepEqual(cache.knownSubject('alice'), { epoch: 1, generation: 5 });
  assert.equal(cache.offlineFailures('alice').count, 1, 'wrong passwords are counted on');
  assert.equal(cache.pendingEventCount(), 1, 'what happened is told all the same');
  assert.ok(cache.cachedLogin('bob'));
});

test('a word that blocks outlives the row, with the newer of both versions', () => {
  cache.commitLogin({ user: 'alice', save: login('alice', 5) });
  cache.setTombstone(
    { userId: idOf(5), user: 'alice', reason: 'disabled', subject: { epoch: 1, generation: 9 } },
    false,
  );
  cache.forgetUsers(['alice']);
  assert.deepEqual(cache.tombstone(idOf(5)), {
    ...{ userId: idOf(5), user: 'alice', reason: 'disabled', subject: { epoch: 1, generation: 9 } },
  });
});

test('versions of users who were forgotten do not pile up: the oldest go', () => {
  for (let n = 1; n <= 1_010; n += 1) {
    cache.commitLogin({ user: `user-${n}`, save: login(`user-${n}`, n) });
    cache.forgetUsers([`user-${n}`]);
  }
  assert.equal(cache.knownSubject('user-10'), undefined);
  assert.deepEqual(cache.knownSubject('user-11'), { epoch: 1, generation: 11 });
});

test('a wipe takes every login, what was counted, and files that were set aside; versions, events and the number stay', () => {
  cache.commitLogin({ user: 'alice', save: login('alice', 5), event: event('login') });
  cache.commitLogin({ user: 'bob', save: login('bob', 6) });
  cache.countOfflineFailure('alice', 7);
  const setAside = `${path}.damaged-2026-11-20T00-00-00-000Z`;
  writeFileSync(setAside, 'old rows');
  assert.match(onDisk(), /sealed-canary-alice/);
  assert.equal(cache.wiped(), 0);

  cache.wipeUsers(17, event('cache.wiped'));
  assert.deepEqual(cache.cachedUsers(), []);
  assert.doesNotMatch(onDisk(), /sealed-canary/, 'neither in the file nor in its log');
  assert.equal(existsSync(setAside), false);
  reopen();
  assert.equal(cache.wiped(), 17);
  assert.equal(cache.offlineFailures('alice').count, 0);
  assert.deepEqual(cache.knownSubject('bob'), { epoch: 1, generation: 6 });
  assert.deepEqual(
    cache.pendingEvents(10).map(({ type }) => type),
    ['login', 'cache.wiped'],
  );
  assert.equal(cache.condition.kind, 'ok');
});

test('who is erased is, whatever name the row is under, out of the log too', () => {
  const userId = idOf(5);
  cache.commitLogin({ user: 'eve@lab.test', save: login('eve@lab.test', 5) });
  cache.commitLogin({ user: 'bob', save: login('bob', 6) });
  assert.match(onDisk(), /sealed-canary-eve/);
  const user = 'LAB\\eve';
  const tombstone = { userId, user, reason: 'offline_withdrawn', subject: { epoch: 1, generation: 7 } } as const;
  cache.commitLogin({ user, erase: true, tombstone, event: event('login') });
  assert.deepEqual(
    cache.cachedUsers().map(held => held.user),
    ['bob'],
  );
  assert.doesNotMatch(onDisk(), /sealed-canary-eve/, 'neither in the file nor in its log');
  assert.match(onDisk(), /sealed-canary-bob/);
});

test('a wipe that the file system refuses is not done: the number is open, in memory too, and it is told once when it is', () => {
  cache.commitLogin({ user: 'alice', save: login('alice', 5) });
  // The folder cannot be looked through for files that were set aside.
  renameSync(dir, `${dir}.away`);
  try {
    assert.throws(() => cache.wipeUsers(17, event('cache.wiped')), { code: 'ENOENT' });
    assert.equal(cache.wiped(), 0);
  } finally {
    renameSync(`${dir}.away`, dir);
  }
  assert.equal(cache.wiped(), 0);
  cache.wipeUsers(17, event('cache.wiped'));
  assert.equal(cache.wiped(), 17);
  assert.deepEqual(cache.cachedUsers(), []);
  assert.equal(cache.pendingEvents(10).filter(({ type }) => type === 'cache.wiped').length, 1);
});
