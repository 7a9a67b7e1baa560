import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DEFAULT_KDF, DEFAULT_OFFLINE_RULES, type ThinmanEvent } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { DEVICE_ID, SITE_ID } from '../../../../test/support/ids.ts';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import type { Cache, CachedLogin } from '../ports.ts';
import { openCache } from './cache.ts';
import { CacheTrouble } from './cache-trouble.ts';

const deviceSecret = Buffer.alloc(32, 5);
let dir: string;
let path: string;
let clock = manualClock();
let opened: Cache[] = [];

function open(fields: { deviceId?: string; deviceSecret?: Buffer; path?: string } = {}): Cache {
  const options = { siteId: SITE_ID, deviceId: DEVICE_ID, deviceSecret, clock, ...fields };
  const cache = openCache(fields.path ?? path, options);
  opened.push(cache);
  return cache;
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thinman-cache-'));
  path = join(dir, 'cache.db');
  clock = manualClock();
  opened = [];
});
afterEach(() => {
  for (const cache of opened) cache.close();
  rmSync(dir, { recursive: true, force: true });
});

const login = (user: string, userId: string = randomUUID()): CachedLogin => ({
  user,
  userId,
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
});

const event = (padding = ''): ThinmanEvent => ({ id: randomUUID(), type: 'login', at: 1, data: { padding } });

/** A store of two users and some events, closed. Gives the events. */
function fill(count = 3, padding = ''): readonly ThinmanEvent[] {
  const cache = open();
  cache.commitLogin({ user: 'alice', save: login('alice') });
  cache.commitLogin({ user: 'bob', save: login('bob') });
  const events = Array.from({ length: count }, () => event(padding));
  for (const one of events) cache.appendEvent(one);
  cache.close();
  return events;
}

function edit(sql: string, ...values: readonly unknown[]): void {
  const db = new Database(path);
  const { changes } = db.prepare(sql).run(...values);
  db.close();
  assert.ok(changes > 0, 'nothing was edited');
}

const setAside = () => readdirSync(dir).filter(name => name.includes('.damaged-'));

/** The store works, knows nobody, and says that it was damaged. */
function assertRebuilt(cache: Cache, carriedOver: number, reopen = open): void {
  const { condition } = cache;
  assert.ok(condition.kind === 'damaged', condition.kind);
  assert.equal(condition.carriedOver, carriedOver);
  assert.equal(cache.pendingEventCount(), carriedOver);
  assert.equal(cache.cachedLogin('alice'), undefined);
  assert.ok(statSync(condition.setAside).isFile());
  cache.commitLogin({ user: 'alice', save: login('alice'), event: event() });
  cache.close();
  const again = reopen();
  assert.deepEqual(again.condition, { kind: 'ok' });
  assert.equal(again.cachedLogin('alice')?.user, 'alice');
}

describe('a store that is not what this device wrote is set aside and made anew', () => {
  test('garbage', () => {
    fill();
    writeFileSync(path, randomBytes(20_000));
    assertRebuilt(open(), 0);
  });

  test('zero bytes', () => {
    writeFileSync(path, '');
    assertRebuilt(open(), 0);
  });

  test('an empty database without an identity', () => {
    new Database(path).exec('CREATE TABLE t (a)').close();
    assertRebuilt(open(), 0);
  });

  test('cut in the middle', () => {
    fill(50, 'x'.repeat(500));
    writeFileSync(path, readFileSync(path).subarray(0, 8192));
    const cache = open();
    assert.equal(cache.condition.kind, 'damaged');
    assert.equal(cache.cachedLogin('alice'), undefined);
  });

  test("another device's file, with none of its events", () => {
    fill();
    const other = { deviceId: randomUUID(), deviceSecret: Buffer.alloc(32, 9) };
    assertRebuilt(open(other), 0, () => open(other));
  });

  test('of another schema version, with its events', () => {
    const events = fill();
    const db = new Database(path);
    db.pragma('user_version = 99');
    db.close();
    const cache = open();
    assert.deepEqual(cache.pendingEvents(10), events);
    assertRebuilt(cache, 3);
  });

  test('an edited row', () => {
    const events = fill();
    edit(
      "UPDATE fact SET body = replace(body, '\"credentialVersion\":3', '\"credentialVersion\":9') WHERE key = 'alice'",
    );
    const cache = open();
    assert.deepEqual(cache.pendingEvents(10), events);
    assertRebuilt(cache, 3);
  });

  test('a row copied to another user', () => {
    fill();
    edit(
      "UPDATE fact SET body = b.body, blob = b.blob, tag = b.tag FROM fact AS b WHERE fact.key = 'alice' AND b.key = 'bob'",
    );
    assertRebuilt(open(), 3);
  });

  test("a failure counter set back by hand, and one brought from another device's file", () => {
    const cache = open();
    cache.countOfflineFailure('alice', 1);
    cache.close();
    edit('UPDATE fact SET body = \'{"count":0,"lastMs":0}\' WHERE kind = \'failures\'');
    assertRebuilt(open(), 0);
  });

  test('a table that is missing', () => {
    fill();
    new Database(path).exec('DROP TABLE fact').close();
    assertRebuilt(open(), 3);
  });
});

test('one bad page: every event that does not lie on it is carried over', () => {
  const events = fill(200, 'x'.repeat(300));
  const db = new Database(path);
  const pageSize = Number(db.pragma('page_size', { simple: true }));
  const leaf = db
    .prepare<[], { pageno: number; ncell: number }>(
      "SELECT pageno, ncell FROM dbstat WHERE name = 'outbox' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 5",
    )
    .get();
  db.close();
  assert.ok(leaf !== undefined);
  const file = openSync(path, 'r+');
  writeSync(file, randomBytes(pageSize), 0, pageSize, (leaf.pageno - 1) * pageSize);
  closeSync(file);

  const cache = open();
  const { condition } = cache;
  assert.ok(condition.kind === 'damaged');
  assert.equal(condition.carriedOver, events.length - leaf.ncell);
  assert.equal(condition.lost, undefined);
  const kept = cache.pendingEvents(1000);
  assert.deepEqual(
    kept,
    events.filter(one => kept.some(({ id }) => id === one.id)),
  );
});

test('an event that was edited is taken out, those behind it go on, and an event tells of it', () => {
  const events = fill();
  edit('UPDATE outbox SET event = ? WHERE seq = 2', JSON.stringify({ ...events[1], type: 'forged' }));
  const cache = open();
  assert.deepEqual(cache.condition, { kind: 'ok' });
  assert.deepEqual(cache.pendingEvents(10), [events[0], events[2]]);
  const lost = cache.pendingEvents(10)[2];
  assert.equal(lost?.type, 'events.lost');
  assert.deepEqual(lost?.data, { count: 1 });
});

test('damage while the agent runs: the read fails, the store is made anew, and the next login is kept', () => {
  const users = Array.from({ length: 40 }, (_, n) => `user-${n}`);
  const filled = open();
  // Above what SQLite keeps in memory, so that it must read the file again.
  for (const user of users) filled.commitLogin({ user, save: { ...login(user), sealed: randomBytes(100_000) } });
  filled.close();
  const cache = open();
  assert.deepEqual(cache.condition, { kind: 'ok' });
  const file = openSync(path, 'r+');
  for (let at = 4 * 4096; at < statSync(path).size; at += 4096) writeSync(file, randomBytes(4096), 0, 4096, at);
  closeSync(file);

  const isDamaged = (error: unknown) => error instanceof CacheTrouble && error.kind === 'damaged';
  assert.throws(() => users.map(user => cache.cachedLogin(user)), isDamaged);
  assert.equal(cache.condition.kind, 'damaged');
  for (const user of users) assert.equal(cache.cachedLogin(user), undefined);
  cache.commitLogin({ user: 'alice', save: login('alice'), event: event() });
  assert.equal(cache.cachedLogin('alice')?.user, 'alice');
});

describe('a rebuild that was interrupted is finished at the next start', () => {
  test('with the new file complete, and the old one still in its place with its log', () => {
    const events = fill();
    renameSync(path, `${path}.rebuilt`);
    writeFileSync(path, 'garbage');
    writeFileSync(`${path}-wal`, 'the log of the damaged file');
    const cache = open();
    assert.deepEqual(cache.pendingEvents(10), events);
    assert.equal(cache.condition.kind, 'damaged');
    assert.equal(setAside().length, 2);
  });

  test('with the old file gone aside already', () => {
    const events = fill();
    renameSync(path, `${path}.rebuilt`);
    assert.deepEqual(open().pendingEvents(10), events);
  });

  test('with a half-made new file', () => {
    const events = fill();
    writeFileSync(`${path}.draft`, 'half');
    const cache = open();
    assert.deepEqual(cache.condition, { kind: 'ok' });
    assert.deepEqual(cache.pendingEvents(10), events);
  });
});

test('a committed login outlives a process that is killed', () => {
  const script = `
    import { openCache } from ${JSON.stringify(new URL('./cache.ts', import.meta.url).href)};
    import { systemClock } from ${JSON.stringify(new URL('./clock.ts', import.meta.url).href)};
    const [path, siteId, deviceId, event, login] = process.argv.slice(1);
    const cache = openCache(path, { siteId, deviceId, deviceSecret: Buffer.alloc(32, 5), clock: systemClock });
    const { sealed, ...rest } = JSON.parse(login);
    cache.commitLogin({ user: rest.user, save: { ...rest, sealed: Buffer.from(sealed) }, event: JSON.parse(event) });
    process.kill(process.pid, 'SIGKILL');`;
  const one = event();
  const args = [path, SITE_ID, DEVICE_ID, JSON.stringify(one), JSON.stringify(login('alice'))];
  const { signal, stderr } = spawnSync(
    process.execPath,
    ['--conditions=source', '--input-type=module', '-e', script, ...args],
    { encoding: 'utf8' },
  );
  assert.equal(signal, 'SIGKILL', stderr);
  const cache = open();
  assert.deepEqual(cache.condition, { kind: 'ok' });
  assert.deepEqual(cache.pendingEvents(10), [one]);
  assert.equal(cache.cachedLogin('alice')?.user, 'alice');
});

test('old damaged files are removed, so that they cannot fill the disk', async () => {
  for (let time = 0; time < 6; time++) {
    writeFileSync(path, 'garbage');
    await clock.advance(1_000);
    open().close();
  }
  assert.equal(setAside().length, 3);
  const cache = open();
  cache.eraseUsers();
  assert.deepEqual(setAside(), []);
});

describe('a store that cannot be opened', () => {
  test('denies what concerns users, keeps events in memory, and is opened when it can be', async () => {
    mkdirSync(path); // as good as any reason why there can be no file
    const cache = open();
    assert.equal(cache.condition.kind, 'unavailable');
    for (const call of [
      () => cache.cachedLogin('alice'),
      () => cache.tombstone('x'),
      () => cache.knownSubject('alice'),
      () => cache.offlineFailures('alice'),
      () => cache.countOfflineFailure('alice', 1),
    ]) {
      assert.throws(call, CacheTrouble);
    }
    const events = [event(), event()] as const;
    assert.throws(() => cache.commitLogin({ user: 'alice', save: login('alice'), event: events[0] }), CacheTrouble);
    cache.appendEvent(events[1]);
    cache.setAcceptedVersion({ epoch: 1, generation: 2 });
    cache.setClockMark({ highWaterMs: 3, forgivenBoots: 0 });
    assert.deepEqual(cache.pendingEvents(10), events);
    assert.deepEqual(cache.acceptedVersion(), { epoch: 1, generation: 2 });
    assert.deepEqual(cache.clockMark(), { highWaterMs: 3, forgivenBoots: 0 });

    rmSync(path, { recursive: true });
    await clock.advance(60_000);
    cache.commitLogin({ user: 'alice', save: login('alice') });
    assert.equal(cache.condition.kind, 'new');
    cache.close();
    assert.deepEqual(open().pendingEvents(10), events);
  });
});

test('a file that somebody else holds is not taken for a damaged one, and its events stay', () => {
  const events = fill();
  const other = new Database(path);
  other.exec('BEGIN IMMEDIATE');
  assert.equal(open().condition.kind, 'unavailable');
  other.close();
  assert.deepEqual(open().pendingEvents(10), events);
  assert.deepEqual(setAside(), []);
});

describe('a full disk', () => {
  const size = 400 * 1024;
  const mounted = (run: (folder: string) => void) => {
    const folder = join(dir, 'small');
    mkdirSync(folder);
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
    if (status !== 0) return false;
    try {
      run(folder);
    } finally {
      for (const cache of opened) cache.close();
      spawnSync('umount', ['-l', folder]);
    }
    return true;
  };
  const fillUp = (folder: string) => {
    const file = openSync(join(folder, 'ballast'), 'w');
    try {
      for (;;) writeSync(file, Buffer.alloc(4096));
    } catch {
      closeSync(file);
    }
  };

  test('leaves what is stored, refuses what is new, and keeps the events until there is room', t => {
    const ran = mounted(folder => {
      const cache = open({ path: join(folder, 'cache.db') });
      cache.commitLogin({ user: 'alice', save: login('alice') });
      fillUp(folder);
      const isFull = (error: unknown) => error instanceof CacheTrouble && error.kind === 'full';
      const bulky: CachedLogin = { ...login('bob'), sealed: randomBytes(100_000) };
      const one = event();
      assert.throws(() => cache.commitLogin({ user: 'bob', save: bulky, event: one }), isFull);
      assert.equal(cache.cachedLogin('bob'), undefined);
      assert.equal(cache.cachedLogin('alice')?.user, 'alice');
      assert.deepEqual(cache.pendingEvents(10), [one]);

      rmSync(join(folder, 'ballast'));
      cache.commitLogin({ user: 'bob', save: bulky });
      cache.close();
      const again = open({ path: join(folder, 'cache.db') });
      assert.deepEqual(again.pendingEvents(10), [one]);
      assert.equal(again.cachedLogin('bob')?.user, 'bob');
    });
    if (!ran) t.skip('only root can mount a small disk');
  });

  test('does not stop a revocation from erasing', t => {
    const ran = mounted(folder => {
      const file = join(folder, 'cache.db');
      const cache = open({ path: file });
      const one = event();
      const marker = 'recognisable-sealed-bytes';
      const sealed = Buffer.from(marker.repeat(1000));
      cache.commitLogin({ user: 'alice', save: { ...login('alice'), sealed }, event: one });
      fillUp(folder);
      cache.eraseUsers();
      assert.deepEqual(cache.pendingEvents(10), [one]);
      for (const name of readdirSync(folder)) assert.ok(!readFileSync(join(folder, name)).includes(marker), name);
    });
    if (!ran) t.skip('only root can mount a small disk');
  });

  test('at the start of the agent is no reason to fail', t => {
    const ran = mounted(folder => {
      fillUp(folder);
      const cache = open({ path: join(folder, 'cache.db') });
      assert.equal(cache.condition.kind, 'unavailable');
      cache.appendEvent(event());
      assert.equal(cache.pendingEventCount(), 1);
    });
    if (!ran) t.skip('only root can mount a small disk');
  });
});
