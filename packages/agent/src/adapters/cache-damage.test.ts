import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
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
import { spoilPage } from '../../../../test/support/disk-damage.ts';
import { DEVICE_ID, SITE_ID } from '../../../../test/support/ids.ts';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import type { Cache, CachedLogin } from '../ports.ts';
import { type CacheOptions, openCache } from './cache.ts';
import { CacheTrouble } from './cache-trouble.ts';

const deviceSecret = Buffer.alloc(32, 5);
let dir: string;
let path: string;
let clock = manualClock();
let opened: Cache[] = [];

function open(fields: Partial<CacheOptions & { path: string }> = {}): Cache {
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

const isDamaged = (error: unknown) => error instanceof CacheTrouble && error.kind === 'damaged';

const setAside = () => readdirSync(dir).filter(name => name.includes('.damaged-'));

/** What happened, without what the store says of itself. */
const happened = (cache: Cache) => cache.pendingEvents(1000).filter(({ type }) => type === 'login');
/** What the store says of itself: types and data. */
const told = (cache: Cache) =>
  cache.pendingEvents(1000).flatMap(({ type, data }) => (type === 'login' ? [] : [[type, data]]));

type Lost = 0 | 'unknown';

/** The store works, knows nobody, and says once that it was damaged. */
function assertRebuilt(cache: Cache, carriedOver: number, lost: Lost, reopen = open): void {
  const { condition } = cache;
  assert.ok(condition.kind === 'damaged', condition.kind);
  assert.equal(condition.carriedOver, carriedOver);
  assert.equal(happened(cache).length, carriedOver);
  const sayings = [['cache.damaged', { carriedOver }], ...(lost === 0 ? [] : [['events.lost', { lost }]])];
  assert.deepEqual(told(cache), sayings);
  assert.equal(cache.pendingEventCount(), carriedOver + sayings.length);
  assert.equal(cache.cachedLogin('alice'), undefined);
  cache.commitLogin({ user: 'alice', save: login('alice'), event: event() });
  cache.close();
  const again = reopen();
  assert.deepEqual(again.condition, { kind: 'ok' });
  assert.equal(again.cachedLogin('alice')?.user, 'alice');
  assert.deepEqual(told(again), sayings);
  again.close();
}

describe('a store that is not what this device wrote is set aside and made anew', () => {
  test('garbage', () => {
    fill();
    writeFileSync(path, randomBytes(20_000));
    const cache = open();
    assert.ok(cache.condition.kind === 'damaged' && statSync(cache.condition.setAside ?? '').isFile());
    assertRebuilt(cache, 0, 'unknown');
  });

  test('zero bytes', () => {
    writeFileSync(path, '');
    assertRebuilt(open(), 0, 'unknown');
  });

  test('an empty database without an identity', () => {
    new Database(path).exec('CREATE TABLE t (a)').close();
    assertRebuilt(open(), 0, 'unknown');
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
    assertRebuilt(open(other), 0, 'unknown', () => open(other));
  });

  test('of another schema version, with its events', () => {
    const events = fill();
    const db = new Database(path);
    db.pragma('user_version = 99');
    db.close();
    const cache = open();
    assert.deepEqual(happened(cache), events);
    assertRebuilt(cache, 3, 0);
  });

  test('an edited row', () => {
    const events = fill();
    edit(
      "UPDATE fact SET body = replace(body, '\"credentialVersion\":3', '\"credentialVersion\":9') WHERE key = 'alice'",
    );
    const cache = open();
    assert.deepEqual(happened(cache), events);
    assertRebuilt(cache, 3, 0);
  });

  test('a row copied to another user', () => {
    fill();
    edit(
      "UPDATE fact SET body = b.body, blob = b.blob, tag = b.tag FROM fact AS b WHERE fact.key = 'alice' AND b.key = 'bob'",
    );
    assertRebuilt(open(), 3, 0);
  });

  test("a failure counter set back by hand, and one brought from another device's file", () => {
    const cache = open();
    cache.countOfflineFailure('alice', 1);
    cache.close();
    edit('UPDATE fact SET body = \'{"count":0,"lastMs":0}\' WHERE kind = \'failures\'');
    assertRebuilt(open(), 0, 0);
  });

  test('a table that is missing', () => {
    fill();
    new Database(path).exec('DROP TABLE fact').close();
    assertRebuilt(open(), 3, 0);
  });

  test('a folder in its place', () => {
    fill();
    rmSync(path);
    mkdirSync(join(path, 'within'), { recursive: true });
    assertRebuilt(open(), 0, 'unknown');
  });

  for (const table of ['sqlite_schema', 'identity', 'fact', 'fact_by_ref', 'outbox', 'sqlite_autoindex_outbox_1']) {
    test(`a bad page of ${table}`, () => {
      const events = fill();
      spoilPage(path, table);
      const cache = open();
      const readable = !['sqlite_schema', 'outbox'].includes(table);
      assert.deepEqual(happened(cache), readable ? events : []);
      // Whose file it is cannot be read any more: then nobody knows what it held.
      assertRebuilt(cache, readable ? 3 : 0, readable && table !== 'identity' ? 0 : 'unknown');
    });
  }

  test('a file that was lost, though enrolment had made it', () => {
    fill();
    rmSync(path);
    assertRebuilt(open({ isExpected: true }), 0, 'unknown');
  });

  test('its log lost: what is left is whole, and too old', () => {
    const events = fill();
    const cache = open();
    cache.appendEvent(event());
    // As a kill leaves it: the log beside the file, and the file without what is in it.
    copyFileSync(path, `${path}.killed`);
    cache.close();
    renameSync(`${path}.killed`, path);
    const again = open();
    assert.deepEqual(happened(again), events);
    assertRebuilt(again, 3, 'unknown');
  });

  test("another device's log beside it", () => {
    fill();
    const other = open({ deviceId: randomUUID(), deviceSecret: Buffer.alloc(32, 9), path: join(dir, 'other.db') });
    other.commitLogin({ user: 'carol', save: login('carol'), event: event() });
    copyFileSync(join(dir, 'other.db-wal'), `${path}-wal`);
    other.close();
    const cache = open();
    assert.equal(cache.condition.kind, 'damaged');
    assert.deepEqual(told(cache).at(-1), ['events.lost', { lost: 'unknown' }]);
    assert.equal(cache.cachedLogin('carol'), undefined);
  });
});

test('one bad page: every event that does not lie on it is carried over', () => {
  const events = fill(200, 'x'.repeat(300));
  const rows = spoilPage(path, 'outbox', 5);

  const cache = open();
  const { condition } = cache;
  assert.ok(condition.kind === 'damaged');
  assert.equal(condition.carriedOver, events.length - rows);
  assert.equal(condition.complete, false);
  const kept = happened(cache);
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
  assert.deepEqual(lost?.data, { lost: 1 });
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

  assert.throws(() => users.map(user => cache.cachedLogin(user)), isDamaged);
  assert.equal(cache.condition.kind, 'damaged');
  for (const user of users) assert.equal(cache.cachedLogin(user), undefined);
  assert.deepEqual(told(cache), [['cache.damaged', { carriedOver: 0 }]]);
  cache.commitLogin({ user: 'alice', save: login('alice'), event: event() });
  assert.equal(cache.cachedLogin('alice')?.user, 'alice');
});

describe('a file that is taken away while it is in use', () => {
  for (const [what, take] of [
    ['the file', () => rmSync(path)],
    ['its log', () => rmSync(`${path}-wal`)],
    ['both', () => [rmSync(path), rmSync(`${path}-wal`)]],
    ['the file, and another one is in its place', () => [rmSync(path), writeFileSync(path, 'other')]],
  ] as const) {
    test(`${what}: no login is known any more, every event is, and so is what the device itself has learnt`, () => {
      const events = fill();
      const cache = open();
      const [accepted, mark] = [
        { epoch: 1, generation: 9 },
        { highWaterMs: 7, forgivenBoots: 1 },
      ];
      cache.setAcceptedVersion(accepted);
      cache.setClockMark(mark);
      take();
      assert.throws(() => cache.cachedLogin('alice'), isDamaged);
      assert.deepEqual(happened(cache), events);
      assertRebuilt(cache, 3, 0);
      const again = open();
      assert.deepEqual(again.acceptedVersion(), accepted);
      assert.deepEqual(again.clockMark(), mark);
    });
  }

  test('and no new one can be made: its events wait in memory until one can', async () => {
    const events = fill();
    const cache = open();
    renameSync(dir, `${dir}.away`);
    assert.throws(() => cache.cachedLogin('alice'), isDamaged);
    assert.equal(cache.condition.kind, 'unavailable');
    renameSync(`${dir}.away`, dir);
    await clock.advance(60_000);
    assert.deepEqual(happened(cache), events);
    cache.close();
    assert.deepEqual(happened(open()), events);
  });
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
    path = join(dir, 'away', 'cache.db'); // as good as any reason why there can be no file
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

    mkdirSync(join(dir, 'away'));
    await clock.advance(60_000);
    cache.commitLogin({ user: 'alice', save: login('alice') });
    assert.equal(cache.condition.kind, 'new');
    cache.close();
    const again = open();
    assert.deepEqual(again.pendingEvents(10), events);
    assert.deepEqual(again.acceptedVersion(), { epoch: 1, generation: 2 });
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
      const [one, other] = [event(), event()];
      assert.throws(() => cache.commitLogin({ user: 'bob', save: bulky, event: one, also: [other] }), isFull);
      assert.equal(cache.cachedLogin('bob'), undefined);
      assert.equal(cache.cachedLogin('alice')?.user, 'alice');
      assert.deepEqual(cache.pendingEvents(10), [one, other]);

      rmSync(join(folder, 'ballast'));
      cache.commitLogin({ user: 'bob', save: bulky });
      cache.close();
      const again = open({ path: join(folder, 'cache.db') });
      assert.deepEqual(again.pendingEvents(10), [one, other]);
      assert.equal(again.cachedLogin('bob')?.user, 'bob');
    });
    if (!ran) t.skip('only root can mount a small disk');
  });

  test('does not offer an event again that was delivered, and removes it when there is room', t => {
    const ran = mounted(folder => {
      const file = join(folder, 'cache.db');
      const cache = open({ path: file });
      const [first, second] = [event(), event()] as const;
      cache.appendEvent(first);
      fillUp(folder);
      cache.appendEvent({ ...second, data: { padding: 'x'.repeat(8000) } });
      cache.removeEvents([first.id]);
      assert.deepEqual(
        cache.pendingEvents(10).map(({ id }) => id),
        [second.id],
      );
      assert.equal(cache.pendingEventCount(), 1);

      rmSync(join(folder, 'ballast'));
      cache.removeEvents([second.id]);
      cache.close();
      assert.equal(open({ path: file }).pendingEventCount(), 0);
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

  test('at its first commit: once there is room the file says that it is in use, and the loss of its log is noticed', t => {
    const ran = mounted(folder => {
      const file = join(folder, 'cache.db');
      open({ path: file }).close();
      const cache = open({ path: file });
      fillUp(folder);
      cache.appendEvent(event('x'.repeat(8000)));
      rmSync(join(folder, 'ballast'));
      cache.settle();
      // As a kill leaves it, without its log.
      const killed = join(dir, 'killed.db');
      copyFileSync(file, killed);
      assert.equal(open({ path: killed }).condition.kind, 'damaged');
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
