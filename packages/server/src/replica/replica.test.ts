import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs, {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { mountSmallDisk, NO_DISK } from '../../../../test/support/disk.ts';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { newSite, SITE_ID } from '../../../../test/support/record-fixtures.ts';
import type { AppliedChange, Feed, SiteRow, StoredObject } from '../ports.ts';
import type { SetAside } from '../record/dialects/set-aside.ts';
import { prepareQueries } from './queries.ts';
import { type OpenReplica, openReplica } from './replica.ts';

const OTHER_SITE = '99999999-2222-4333-8444-555555555555';

function siteAt(generation: number, more: Partial<SiteRow> = {}): SiteRow {
  return {
    ...newSite(),
    version: { epoch: 1, generation },
    commitId: `commit-${generation}`,
    compactedGeneration: 0,
    schema: 1,
    ...more,
  };
}

function object(name: string, more: Partial<StoredObject> = {}): StoredObject {
  return { kind: 'User', name, uid: randomUUID(), generation: 1, body: { name }, system: {}, deleted: false, ...more };
}

const full = (site: SiteRow, ...objects: StoredObject[]): Feed => ({ kind: 'full', site, objects });
const incremental = (site: SiteRow, ...objects: StoredObject[]): Feed => ({ kind: 'incremental', site, objects });

describe('replica', () => {
  let dir: string;
  let path: string;
  let replica: OpenReplica;
  const open = (siteId = SITE_ID) => openReplica(path, { clock: manualClock(), siteId });
  const names = () => replica.list('User').map(({ name }) => name);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'thinman-replica-'));
    path = join(dir, 'replica.db');
    replica = open();
  });
  afterEach(() => {
    replica.close();
    rmSync(dir, { recursive: true, force: true });
  });

  describe('what it holds', () => {
    it('is nothing before the first feed', () => {
      assert.equal(replica.position(), undefined);
      assert.equal(replica.site(), undefined);
      assert.equal(replica.get('User', 'alice'), undefined);
      assert.equal(replica.setAside(), undefined);
    });

    it('is a large feed as well, of which nothing but the one file is left', () => {
      const many = Array.from({ length: 1_500 }, (_, at) => object(`user-${at}`));
      // What a fill that was cut off has left.
      writeFileSync(`${path}.draft`, 'garbage');
      const told: AppliedChange[] = [];
      replica.onApplied(change => told.push(change));
      assert.equal(replica.apply(full(siteAt(3), ...many))?.objects.length, 1_500);
      assert.deepEqual(readdirSync(dir).toSorted(), ['replica.db', 'replica.db-shm', 'replica.db-wal']);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(told.length, 1);
      assert.equal(replica.position()?.commitId, 'commit-3');
      assert.equal(replica.get('User', 'user-7')?.uid, many[7]?.uid);
      replica.apply(incremental(siteAt(4), object('user-7', { body: { is: 'another' } })));
      replica.close();
      replica = open();
      assert.equal(replica.setAside(), undefined);
      assert.deepEqual(replica.get('User', 'user-7')?.body, { is: 'another' });
      assert.equal(replica.count('User'), 1_500);
      const handle = new Database(path);
      assert.equal(handle.pragma('journal_mode', { simple: true }), 'wal');
      handle.close();
    });

    it('is written once while it is filled: its draft has no log', () => {
      const seen: boolean[][] = [];
      const objects = Array.from({ length: 1_500 }, (_, at) => ({
        ...object(`user-${at}`),
        get body() {
          seen.push([
            existsSync(`${path}.draft`),
            existsSync(`${path}.draft-wal`),
            existsSync(`${path}.draft-journal`),
          ]);
          return {};
        },
      }));
      replica.apply(full(siteAt(3), ...objects));
      assert.deepEqual(seen.at(-1), [true, false, false]);
      assert.equal(replica.count('User'), 1_500);
    });

    it('is every object of a feed, whatever their order and number', () => {
      const kinds = ['User', 'Device', 'Policy'] as const;
      const objects = Array.from({ length: 1_234 }, (_, at) =>
        object(`o${at}`, { kind: kinds[(at * at) % 3] ?? 'User', deleted: at % 7 === 0, generation: at + 1 }),
      );
      replica.apply(full(siteAt(1_234), ...objects));
      replica.close();
      replica = open();
      assert.equal(replica.setAside(), undefined);
      for (const one of objects) assert.deepEqual({ ...replica.find(one.kind, one.name) }, one);
      assert.equal(replica.page(undefined, 10_000).length, objects.length);
    });

    it('is one object of a name, deleted and made anew', () => {
      replica.apply(full(siteAt(1), object('alice'), object('bob', { deleted: true })));
      replica.apply(incremental(siteAt(2), object('alice', { deleted: true }), object('bob')));
      assert.deepEqual(names(), ['bob']);
      assert.equal(replica.find('User', 'alice')?.deleted, true);
      replica.apply(incremental(siteAt(3), object('alice'), object('bob', { body: { again: true } })));
      assert.deepEqual(names(), ['alice', 'bob']);
      assert.equal(replica.page(undefined, 10).length, 2);
      replica.close();
      replica = open();
      assert.equal(replica.setAside(), undefined);
    });

    it('is read as the release before left it, whose indexes were others', () => {
      replica.apply(full(siteAt(3), object('alice'), object('bob', { deleted: true })));
      replica.close();
      const indexes = () => {
        const handle = new Database(path);
        const all = handle.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'index'").pluck().all();
        handle.close();
        return all.toSorted();
      };
      const ours = indexes();
      const edit = new Database(path);
      for (const name of ours) edit.exec(`DROP INDEX ${name}`);
      edit.exec(`CREATE UNIQUE INDEX objects_by_name ON objects (kind, name);
        CREATE INDEX live_objects ON objects (kind, name) WHERE deleted = 0`);
      edit.close();
      replica = open();
      assert.equal(replica.setAside(), undefined);
      assert.deepEqual(names(), ['alice']);
      assert.deepEqual(indexes(), ours);
    });

    it('keeps the indexes of the release before where the disk has no room for others, and takes none of that room', t => {
      using disk = mountSmallDisk(dir, 'disk');
      if (disk === undefined) return t.skip(NO_DISK);
      const file = join(disk.folder, 'replica.db');
      const openSmall = () => openReplica(file, { clock: manualClock(), siteId: SITE_ID });
      const first = openSmall();
      first.apply(full(siteAt(3), ...Array.from({ length: 10_000 }, (_, at) => object(`user-${at}`))));
      first.close();
      const edit = new Database(file);
      const named = "SELECT name FROM sqlite_schema WHERE type = 'index'";
      for (const name of edit.prepare<[], string>(named).pluck().all()) edit.exec(`DROP INDEX ${name}`);
      edit.exec('CREATE UNIQUE INDEX objects_by_name ON objects (kind, name)');
      edit.close();
      const ROOM_BYTES = 512 * 1024;
      disk.fill(ROOM_BYTES);
      const small = openSmall();
      assert.equal(small.setAside(), undefined);
      assert.equal(small.get('User', 'user-7')?.name, 'user-7');
      const log = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
      assert.ok(log < ROOM_BYTES / 4, `${log} bytes of the log`);
      small.apply(incremental(siteAt(4), object('user-7', { body: { is: 'another' } })));
      assert.deepEqual(small.get('User', 'user-7')?.body, { is: 'another' });
      small.close();
    });

    describe('when the file of a large feed cannot take its place', () => {
      const fails = (t: TestContext, meddle = () => {}) => {
        const many = Array.from({ length: 1_500 }, (_, at) => object(`user-${at}`));
        const rename = t.mock.method(fs, 'renameSync', () => {
          meddle();
          throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
        });
        syncBuiltinESMExports();
        try {
          assert.throws(() => replica.apply(full(siteAt(3), ...many)), { code: 'EPERM' });
        } finally {
          rename.mock.restore();
          syncBuiltinESMExports();
        }
        assert.equal(replica.position(), undefined);
      };
      const takesFew = () => {
        // Few enough to be put into the file that is open.
        replica.apply(full(siteAt(4), object('alice')));
        assert.deepEqual(names(), ['alice']);
        replica.close();
        replica = open();
        assert.equal(replica.setAside(), undefined);
        assert.deepEqual(names(), ['alice']);
      };

      it('is empty as before, and takes the next one', t => {
        fails(t);
        assert.equal(replica.get('User', 'user-7'), undefined);
        takesFew();
      });

      it('takes the next one as well where none can be opened at once', t => {
        fails(t, () => mkdirSync(path, { recursive: true }));
        takesFew();
      });
    });

    it('has one row of a name after a full feed as well: what lives and what is deleted are not both there', () => {
      replica.apply(full(siteAt(1), object('alice')));
      assert.throws(() => replica.apply(full(siteAt(2), object('bob'), object('bob', { deleted: true }))));
      assert.throws(() => replica.apply(full(siteAt(2), object('bob'), object('bob'))));
      assert.deepEqual(names(), ['alice']);
      assert.equal(replica.position()?.commitId, 'commit-1');
    });

    it('is on disk when apply returns, with its position', () => {
      replica.apply(full(siteAt(3), object('alice')));
      const other = open();
      assert.deepEqual(other.position(), {
        siteId: SITE_ID,
        version: { epoch: 1, generation: 3 },
        commitId: 'commit-3',
      });
      assert.deepEqual(other.site(), siteAt(3));
      assert.deepEqual(other.get('User', 'alice')?.body, { name: 'alice' });
      other.close();
    });

    it('is for its owner alone', () => {
      replica.apply(full(siteAt(1), object('alice')));
      assert.deepEqual(new Set(readdirSync(dir).map(file => statSync(join(dir, file)).mode & 0o777)), new Set([0o600]));
    });

    it('is changed by an incremental feed, and exchanged by a full one', () => {
      replica.apply(full(siteAt(1), object('alice'), object('bob')));
      replica.apply(incremental(siteAt(2), object('bob', { body: { changed: true } }), object('carol')));
      assert.deepEqual(names(), ['alice', 'bob', 'carol']);
      assert.deepEqual(replica.get('User', 'bob')?.body, { changed: true });
      replica.apply(full(siteAt(3), object('dave')));
      assert.deepEqual(names(), ['dave']);
    });

    it('is what a changed copy of an object says, not what the object was made from', () => {
      replica.apply(full(siteAt(1), object('alice')));
      const alice = replica.get('User', 'alice');
      assert.ok(alice);
      replica.apply(incremental(siteAt(2), { ...alice, body: { other: 1 } }));
      assert.deepEqual(replica.get('User', 'alice')?.body, { other: 1 });
    });

    it('takes a site row that changed without a commit', () => {
      replica.apply(full(siteAt(1)));
      assert.equal(replica.apply({ kind: 'current', site: siteAt(1, { schema: 2 }) }), undefined);
      assert.equal(replica.site()?.schema, 2);
    });
  });

  describe('tombstones that the source of record has removed', () => {
    const gone = (name: string, generation: number, more: Partial<StoredObject> = {}) =>
      object(name, { generation, deleted: true, body: {}, ...more });
    const DAY_MS = 24 * 60 * 60_000;
    const now = manualClock().nowMs();
    const device = (name: string, certificateExpiresAt: number) =>
      gone(name, 2, { kind: 'Device', system: { keyHash: name, certificateExpiresAt } });
    const held = () =>
      [
        ...['old', 'new'].map(name => replica.find('User', name)),
        ...['tc-1', 'tc-2'].map(key => replica.findDeviceByKey(key)),
      ]
        .map(found => found?.name)
        .filter(name => name !== undefined);
    const objects = [
      ...[object('alice'), gone('old', 2), gone('new', 4)],
      ...[device('tc-1', now - 89 * DAY_MS), device('tc-2', now - 91 * DAY_MS)],
    ];

    it('go when the site row says so, without a commit; a device stays revoked while its certificate may be taken', () => {
      replica.apply(full(siteAt(4), ...objects));
      assert.deepEqual(held(), ['old', 'new', 'tc-1', 'tc-2']);
      replica.apply({ kind: 'current', site: siteAt(4, { compactedGeneration: 3 }) });
      assert.deepEqual(held(), ['new', 'tc-1']);
      assert.deepEqual(names(), ['alice']);
    });

    it('go with a commit, are not taken from a full feed, and go after a restart', () => {
      replica.apply(full(siteAt(4), ...objects));
      replica.apply(incremental(siteAt(5, { compactedGeneration: 3 })));
      assert.deepEqual(held(), ['new', 'tc-1']);
      replica.apply(full(siteAt(6, { compactedGeneration: 3 }), ...objects));
      assert.deepEqual(held(), ['new', 'tc-1']);
      replica.close();
      replica = open();
      replica.apply({ kind: 'current', site: siteAt(6, { compactedGeneration: 4 }) });
      assert.deepEqual(held(), ['tc-1']);
    });
  });

  describe('what it refuses', () => {
    const refuses = (feed: Feed) => {
      const before = [replica.position(), names()];
      assert.equal(replica.apply(feed), undefined);
      assert.deepEqual([replica.position(), names()], before);
    };

    it('goes back neither by an incremental nor by a full feed', () => {
      replica.apply(full(siteAt(5), object('alice')));
      refuses(incremental(siteAt(4), object('bob')));
      refuses(incremental(siteAt(5), object('bob')));
      refuses(full(siteAt(4), object('bob')));
      refuses(full(siteAt(9, { version: { epoch: 0, generation: 9 } }), object('bob')));
    });

    it('takes no part of a site of which it lacks the rest', () => {
      refuses(incremental(siteAt(2), object('alice')));
      replica.apply(full(siteAt(2)));
      refuses(incremental(siteAt(7, { version: { epoch: 2, generation: 7 } }), object('bob')));
    });

    it('takes an accepted restore (a later epoch) whole, also at a lower generation', () => {
      replica.apply(full(siteAt(5), object('alice')));
      replica.apply(full(siteAt(2, { version: { epoch: 2, generation: 2 } }), object('bob')));
      assert.deepEqual(names(), ['bob']);
    });

    it('keeps what it has when the database has forked', () => {
      replica.apply(full(siteAt(5), object('alice')));
      refuses({ kind: 'forked', site: siteAt(3) });
    });

    it('takes nothing of another site', () => {
      refuses(full(siteAt(1, { siteId: OTHER_SITE }), object('mallory')));
    });
  });

  describe('how it is asked', () => {
    it('gives live objects, and tombstones only to those who look for them', () => {
      const gone = object('gone', { deleted: true, body: {} });
      replica.apply(full(siteAt(1), object('alice'), gone));
      assert.equal(replica.get('User', 'gone'), undefined);
      assert.equal(replica.find('User', 'gone')?.deleted, true);
      assert.equal(replica.findByUid('User', gone.uid)?.name, 'gone');
      assert.equal(replica.findByUid('Device', gone.uid), undefined);
      assert.deepEqual(names(), ['alice']);
      assert.equal(replica.count('User'), 1);
    });

    it('lists by name, in pages without gap or overlap', () => {
      const users = Array.from({ length: 25 }, (_, i) => object(`u${String(i).padStart(2, '0')}`));
      replica.apply(full(siteAt(1), ...users.toReversed(), object('x', { kind: 'Device' })));
      const seen: string[] = [];
      for (;;) {
        const after = seen.at(-1);
        const page = replica.list('User', { limit: 10, ...(after === undefined ? {} : { after }) });
        if (page.length === 0) break;
        seen.push(...page.map(({ name }) => name));
      }
      assert.deepEqual(
        seen,
        users.map(({ name }) => name),
      );
    });

    it('finds a device by its key: the living one first, then the newest', () => {
      const device = (name: string, generation: number, deleted: boolean) =>
        object(name, { kind: 'Device', generation, deleted, system: { keyHash: 'k' } });
      replica.apply(full(siteAt(9), device('old', 2, true), device('older', 1, true)));
      assert.equal(replica.findDeviceByKey('k')?.name, 'old');
      replica.apply(incremental(siteAt(10), device('living', 1, false)));
      assert.equal(replica.findDeviceByKey('k')?.name, 'living');
      assert.equal(replica.findDeviceByKey('other'), undefined);
      const secretive = object('user', { system: { keyHash: 'u' } });
      replica.apply(incremental(siteAt(11), secretive));
      assert.equal(replica.findDeviceByKey('u'), undefined);
    });

    it('finds an object by its id as it stands after each change, whoever asked for it before', () => {
      const device = (generation: number, more: Partial<StoredObject> = {}) =>
        object('tc', { kind: 'Device', uid: 'a-device', generation, system: { keyHash: 'k' }, ...more });
      assert.equal(replica.findByUid('Device', 'a-device'), undefined);
      replica.apply(full(siteAt(1), device(1, { body: { group: 'first' } }), object('alice', { uid: 'a-user' })));
      assert.deepEqual(replica.findDeviceByKey('k')?.body, { group: 'first' });
      assert.deepEqual(replica.findByUid('Device', 'a-device')?.body, { group: 'first' });
      assert.equal(replica.findByUid('User', 'a-device'), undefined);
      assert.equal(replica.findByUid('User', 'a-user')?.name, 'alice');
      replica.apply(incremental(siteAt(2), device(2, { body: { group: 'second' } })));
      assert.deepEqual(replica.findByUid('Device', 'a-device')?.body, { group: 'second' });
      replica.apply(incremental(siteAt(3), device(3, { body: {}, deleted: true })));
      assert.equal(replica.findByUid('Device', 'a-device')?.deleted, true);
      assert.equal(replica.count('Device'), 0);
      assert.equal(replica.count('User'), 1);
    });

    it('finds the living one of an id, also after a tombstone of it was found by its key', () => {
      const device = (name: string, more: Partial<StoredObject>) =>
        object(name, { kind: 'Device', uid: 'one-id', ...more });
      const gone = device('before', { deleted: true, body: {}, system: { keyHash: 'old-key' } });
      replica.apply(full(siteAt(2), gone, device('after', { system: { keyHash: 'new-key' } })));
      assert.equal(replica.findDeviceByKey('old-key')?.name, 'before');
      assert.equal(replica.findByUid('Device', 'one-id')?.name, 'after');
    });

    it('chooses by uid in a stable way, going round at the end', () => {
      const at = (uid: string, deleted = false) => object(uid, { uid, deleted });
      const device = object('tc-1', { kind: 'Device', uid: '3' });
      replica.apply(full(siteAt(1), at('2'), at('4'), at('6', true), at('8'), device));
      assert.equal(replica.nextUserByUid('1')?.uid, '2');
      assert.equal(replica.nextUserByUid('3')?.uid, '4');
      assert.equal(replica.nextUserByUid('5')?.uid, '6', 'a tombstone too: who is chosen changes only with new ones');
      assert.equal(replica.nextUserByUid('9')?.uid, '2');
    });

    it('names what was touched since, newest first; a key that is revoked without an object is none', () => {
      const revokedKey = object('tc-1#its-key', { kind: 'Device', generation: 4, deleted: true });
      replica.apply(full(siteAt(4), object('alice', { generation: 2 }), object('bob', { generation: 3 }), revokedKey));
      assert.deepEqual(replica.touchedSince(1), {
        count: 2,
        objects: [
          { kind: 'User', name: 'bob', generation: 3 },
          { kind: 'User', name: 'alice', generation: 2 },
        ],
      });
      assert.deepEqual(replica.touchedSince(3), { count: 0, objects: [] });
    });

    it('finds a device and a user by uid, and neither by that of another that begins like it', () => {
      const device = object('tc-1', { kind: 'Device', uid: '0123abcd-1' });
      replica.apply(full(siteAt(1), device, object('alice', { uid: '0123abcd-2' })));
      assert.equal(replica.findByUid('Device', '0123abcd-1')?.name, 'tc-1');
      assert.equal(replica.findByUid('Device', '0123abcd-2'), undefined);
      assert.equal(replica.findByUid('User', '0123abcd-2')?.name, 'alice');
      assert.equal(replica.findByUid('User', '0123abcd-1'), undefined);
    });

    it('finds no device by a key that begins like its own', () => {
      replica.apply(full(siteAt(1), object('tc-1', { kind: 'Device', system: { keyHash: '0123456789ab-1' } })));
      assert.equal(replica.findDeviceByKey('0123456789ab-1')?.name, 'tc-1');
      assert.equal(replica.findDeviceByKey('0123456789ab-2'), undefined);
    });

    it('pages through what lives and what is deleted, by kind and name', () => {
      const objects = Array.from({ length: 9 }, (_, at) => object(`u${at}`, { deleted: at % 3 === 1 }));
      replica.apply(full(siteAt(1), ...objects.toReversed(), object('tc-1', { kind: 'Device', deleted: true })));
      const seen: StoredObject[] = [];
      for (let page = replica.page(undefined, 2); page.length > 0; page = replica.page(page.at(-1), 2))
        seen.push(...page);
      assert.deepEqual(
        seen.map(({ name }) => name),
        ['tc-1', ...objects.map(({ name }) => name)],
      );
    });

    it('reads through an index whatever it reads, and sorts nothing', () => {
      replica.apply(full(siteAt(1)));
      const handle = new Database(path);
      const texts: string[] = [];
      const prepare = handle.prepare.bind(handle);
      handle.prepare = ((text: string) => {
        texts.push(text);
        return prepare(text);
      }) as typeof handle.prepare;
      const queries = prepareQueries(handle);
      // Prepared for a kind when that is asked for.
      queries.find('User', 'alice');
      queries.list('User');
      queries.count('User');
      handle.prepare = prepare;
      const plans = texts.map(text => {
        const named = Object.fromEntries([...text.matchAll(/@(\w+)/g)].map(([, name]) => [name, null]));
        const unnamed = [...text.matchAll(/\?/g)].map(() => null);
        const lines = handle
          .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${text}`)
          .all(...unnamed, named);
        return { text, plan: lines.map(({ detail }) => detail).join('; ') };
      });
      assert.equal(plans.length, 12);
      for (const { text, plan } of plans) {
        assert.match(plan, /SEARCH objects USING (?:COVERING )?INDEX/, text);
        assert.doesNotMatch(plan, /SCAN/, text);
        assert.doesNotMatch(plan, /TEMP B-TREE/, text);
      }
      handle.close();
    });
  });

  it('tells its listeners what changed, after it is on disk', () => {
    const heard: AppliedChange[] = [];
    const forget = replica.onApplied(change => {
      assert.equal(replica.position()?.version.generation, change.version.generation);
      heard.push(change);
    });
    const alice = object('alice');
    replica.apply(full(siteAt(1), alice));
    replica.apply(incremental(siteAt(2), alice));
    replica.apply({ kind: 'current', site: siteAt(2) });
    forget();
    replica.apply(incremental(siteAt(3), alice));
    assert.deepEqual(
      heard.map(({ version, full, objects }) => [version.generation, full, objects.length]),
      [
        [1, true, 1],
        [2, false, 1],
      ],
    );
  });

  describe('a file that cannot be used', () => {
    const edit = (sql: string) => new Database(path).exec(sql).close();
    const reopened = (damage: () => unknown, siteId = SITE_ID) => {
      replica.apply(full(siteAt(3), ...Array.from({ length: 300 }, (_, i) => object(`user-${i}`))));
      replica.close();
      damage();
      replica = open(siteId);
      assert.equal(replica.position(), undefined);
      replica.apply(full(siteAt(1, { siteId }), object('bob')));
      assert.deepEqual(names(), ['bob']);
      return replica.setAside();
    };

    it('is set aside when it is garbage, and begun anew', () => {
      const aside = reopened(() => writeFileSync(path, 'garbage'.repeat(1000)));
      assert.equal(aside?.why, 'damaged');
      assert.ok(existsSync(aside.path));
    });

    it('is set aside when it is empty', () => {
      assert.equal(reopened(() => writeFileSync(path, ''))?.why, 'empty');
    });

    it('is begun anew when it is missing', () => {
      assert.equal(
        reopened(() => rmSync(path)),
        undefined,
      );
    });

    it('is set aside when it is of another site', () => {
      const aside = reopened(() => {}, OTHER_SITE);
      assert.equal(aside?.why, 'other_site');
    });

    it('is set aside when one page of it is bad', () => {
      const aside = reopened(() => spoil(path));
      assert.equal(aside?.why, 'damaged');
    });

    it('is set aside when it is a folder', () => {
      assert.equal(reopened(() => [rmSync(path), mkdirSync(path)])?.why, 'foreign');
    });

    it('is set aside when it is of another format', () => {
      assert.equal(reopened(() => edit('PRAGMA user_version = 99'))?.why, 'damaged');
    });

    it('is set aside when every page is whole and one value is not', () => {
      const aside = reopened(() => edit(`UPDATE objects SET body = replace(body, 'user-7"', 'user-8"')`));
      assert.equal(aside?.why, 'damaged');
    });

    it('is set aside when it is an old one beside the log of today', () => {
      const users = Array.from({ length: 300 }, (_, i) => object(`user-${i}`));
      const changed = (at: number, generation: number) => ({
        ...object(`user-${at}`),
        ...users[at],
        body: { generation },
      });
      replica.apply(full(siteAt(3), ...users));
      replica.close();
      copyFileSync(path, `${path}.backup`);
      replica = open();
      replica.apply(incremental(siteAt(4), changed(7, 4)));
      replica.close();
      replica = open();
      replica.apply(incremental(siteAt(5), changed(200, 5)));
      // As a kill leaves it.
      copyFileSync(`${path}-wal`, `${path}.log`);
      replica.close();
      renameSync(`${path}.backup`, path);
      renameSync(`${path}.log`, `${path}-wal`);
      replica = open();
      assert.equal(replica.setAside()?.why, 'damaged');
      assert.equal(replica.position(), undefined);
    });

    it('keeps three that were set aside, and no more', async () => {
      const clock = manualClock();
      for (let time = 0; time < 5; time++) {
        replica.close();
        writeFileSync(path, 'garbage');
        await clock.advance(1_000);
        replica = openReplica(path, { clock, siteId: SITE_ID });
      }
      assert.equal(readdirSync(dir).filter(name => name.includes('set-aside')).length, 3);
    });

    describe('while it is open', () => {
      for (const [what, meddle] of [
        ['taken away', () => rmSync(path)],
        ['replaced', () => [rmSync(path), writeFileSync(path, 'other')]],
        ['overwritten in its place', () => writeFileSync(path, 'x'.repeat(50_000))],
      ] as const) {
        it(`is noticed to be ${what}, and made whole by a full feed`, () => {
          const rebuilt: SetAside[] = [];
          replica.close();
          replica = openReplica(path, {
            clock: manualClock(),
            siteId: SITE_ID,
            onRebuilt: aside => rebuilt.push(aside),
          });
          replica.apply(full(siteAt(3), object('alice')));
          meddle();
          assert.equal(replica.position(), undefined);
          assert.equal(replica.apply(incremental(siteAt(4), object('bob'))), undefined);
          assert.deepEqual(replica.apply(full(siteAt(4), object('alice'), object('bob')))?.version.generation, 4);
          assert.equal(rebuilt.length, 1);
          replica.close();
          replica = open();
          assert.deepEqual(names(), ['alice', 'bob']);
        });
      }

      it('is left for the next start to set aside when nothing came to replace it', () => {
        replica.apply(full(siteAt(3), object('alice')));
        writeFileSync(path, 'x'.repeat(50_000));
        replica.close();
        replica = open();
        assert.equal(replica.position(), undefined);
      });

      it('goes on as it is when the disk has no room for another one', t => {
        using disk = mountSmallDisk(dir, 'disk');
        if (disk === undefined) return t.skip(NO_DISK);
        const file = join(disk.folder, 'replica.db');
        const small = openReplica(file, { clock: manualClock(), siteId: SITE_ID });
        small.apply(full(siteAt(3), object('alice')));
        rmSync(file);
        assert.equal(small.position(), undefined);
        disk.fill();
        assert.throws(() => small.apply(full(siteAt(4), object('bob'))));
        assert.equal(small.get('User', 'alice')?.name, 'alice');
        disk.free();
        small.apply(full(siteAt(4), object('bob')));
        assert.deepEqual(
          small.list('User').map(({ name }) => name),
          ['bob'],
        );
        small.close();
      });
    });

    it('goes on serving what can be read when damage shows later, until a full feed replaces it', () => {
      const users = Array.from({ length: 2_000 }, (_, i) => object(`u${i}`, { body: { text: 'x'.repeat(100) } }));
      replica.apply(full(siteAt(3), ...users));
      replica.close();
      replica = open();
      spoil(path);
      assert.throws(() => replica.list('User'));
      assert.ok(users.some(({ name }) => readable(() => replica.get('User', name))));
      assert.equal(replica.position(), undefined);
      assert.equal(replica.apply(full(siteAt(2), object('older'))), undefined);
      replica.apply(full(siteAt(3), object('healed')));
      assert.deepEqual(names(), ['healed']);
      assert.equal(replica.setAside()?.why, 'damaged');
    });
  });
});

/** Overwrites pages in the middle of the file behind SQLite's back. */
function spoil(path: string): void {
  const size = statSync(path).size;
  const handle = new Database(path);
  handle.pragma('wal_checkpoint(TRUNCATE)');
  handle.close();
  const PAGE_BYTES = 4096;
  const pages = Math.floor(size / PAGE_BYTES);
  // Every fourth page but the first ones: the schema stays.
  for (let page = 8; page < pages; page += 4) overwrite(path, page * PAGE_BYTES, PAGE_BYTES);
}

function overwrite(path: string, at: number, bytes: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(bytes, 0xff), 0, bytes, at);
  closeSync(file);
}

function readable(read: () => unknown): boolean {
  try {
    return read() !== undefined;
  } catch {
    return false;
  }
}
