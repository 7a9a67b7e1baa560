import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import Database from 'better-sqlite3';
import { dataFolder, readConfig } from '../config.ts';
import type { SourceOfRecord } from '../ports.ts';
import { openSourceOfRecord } from '../record/source-of-record.ts';
import { openReplica } from '../replica/replica.ts';
import { systemClock } from '../runtime/clock.ts';
import { initSite } from '../setup/init-site.ts';
import { verifySite } from './verify.ts';

let root: string;
let dataDir: string;
let record: SourceOfRecord;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-verify-'));
  dataDir = join(root, 'primary');
  await initSite({ dataDir, name: 'primary', listen: '127.0.0.1:7443', url: 'https://127.0.0.1:7443' });
  record = openSourceOfRecord(readConfig(dataFolder(dataDir)).database, { dataDir, clock: systemClock });
  for (const name of ['alice', 'bob', 'carol']) await put(name, { displayName: name });
  await sync();
});
afterEach(async () => {
  await record.close();
  rmSync(root, { recursive: true });
});

async function commit(work: Parameters<SourceOfRecord['commit']>[1]): Promise<void> {
  const { instance } = readConfig(dataFolder(dataDir));
  await record.commit({ instance, epoch: 1, actor: 'test' }, work);
}
const put = (name: string, body: Record<string, unknown>) =>
  commit(async transaction => ({ write: true, result: await transaction.put('User', name, body, {}) }));
const remove = (name: string) =>
  commit(async transaction => ({ write: true, result: await transaction.remove('User', name) }));

async function sync(): Promise<void> {
  const replica = openReplica(dataFolder(dataDir).replica, { clock: systemClock });
  replica.apply(await record.feed(replica.position()));
  replica.close();
}

function damage(file: 'site.db' | 'replica.db', sql: string): void {
  const handle = new Database(join(dataDir, file));
  handle.exec(sql);
  handle.close();
}

const said = async () => (await verifySite(dataDir)).differences.map(({ what, about }) => `${what}: ${about}`);

describe('verify', () => {
  it('finds nothing where the replica is what the source of record is, tombstones included', async () => {
    await remove('bob');
    await sync();
    const { differenceCount, compared, isSameCommit, running, record: at, replica } = await verifySite(dataDir);
    assert.deepEqual(
      { differenceCount, compared, isSameCommit, running },
      {
        differenceCount: 0,
        compared: 6,
        isSameCommit: true,
        running: false,
      },
    );
    assert.deepEqual(at, { epoch: 1, generation: 5 });
    assert.deepEqual(replica, at);
  });

  it('does not hold against a replica what later commits have touched', async () => {
    await put('alice', { displayName: 'another' });
    await put('dora', {});
    const { differenceCount, newer, compared, isSameCommit } = await verifySite(dataDir);
    assert.deepEqual([differenceCount, newer, compared, isSameCommit], [0, 2, 5, false]);
  });

  it('names an object that is not the same, and says that the replica does not fit its digest', async () => {
    damage('replica.db', `UPDATE objects SET body = '{"displayName":"mallory"}' WHERE name = 'alice'`);
    assert.deepEqual(await said(), ['differs: User alice', 'replica_damaged: the replica']);
  });

  it('names what is on one side alone', async () => {
    damage('site.db', `DELETE FROM objects WHERE name = 'alice'`);
    damage('site.db', `UPDATE objects SET system = '{"a":1}' WHERE name = 'carol'`);
    assert.deepEqual(await said(), ['differs: User carol', 'missing_in_record: User alice']);
    damage('replica.db', `DELETE FROM objects WHERE name = 'bob'`);
    assert.ok((await said()).includes('missing_in_replica: User bob'));
  });

  it('finds a gap among the commits, an object without one, and a uid twice', async () => {
    damage('site.db', 'DELETE FROM commits WHERE generation = 3');
    assert.deepEqual(await said(), ['generation_gap: generations 1.3 to 1.3', 'object_without_commit: User bob']);
    damage('site.db', `UPDATE objects SET uid = (SELECT uid FROM objects WHERE name = 'alice') WHERE name = 'carol'`);
    assert.ok((await said()).includes('uid_twice: User carol'));
  });

  it('finds a gap before the first commit of an epoch, and none where it goes on', async () => {
    const site = await record.site();
    assert.ok(site);
    const raise = { from: site, epoch: 2, primaryInstance: site.primaryInstance, actor: 'test' };
    assert.ok(await record.raiseEpoch(raise, async () => {}));
    await sync();
    assert.deepEqual(await said(), []);
    damage('site.db', 'UPDATE commits SET generation = 9 WHERE epoch = 2; UPDATE site SET generation = 9');
    assert.ok((await said()).includes('generation_gap: generations 1.5 to 2.8'), `${await said()}`);
  });

  it('finds a replica that rests on a commit of another history, or is ahead of a restored database', async () => {
    damage('site.db', `UPDATE commits SET commitId = 'other' WHERE generation = 4`);
    assert.deepEqual(await said(), ['site_without_commit: the site row', 'forked: the replica']);
    damage(
      'site.db',
      `DELETE FROM commits WHERE generation = 4; DELETE FROM objects WHERE generation = 4;
      UPDATE site SET generation = 3, commitId = (SELECT commitId FROM commits WHERE generation = 3)`,
    );
    assert.deepEqual(await said(), ['replica_ahead: the replica']);
  });

  it('finds a site row that differs under one commit', async () => {
    damage('site.db', `UPDATE site SET wrappedCaKey = 'changed'`);
    assert.deepEqual(await said(), ['site_differs: the site row']);
  });

  it('says of a replica that is not there, or is no replica, just that', async () => {
    rmSync(join(dataDir, 'replica.db'));
    assert.deepEqual(await said(), ['replica_empty: the replica']);
    damage('replica.db', 'CREATE TABLE another (a)');
    assert.deepEqual(await said(), ['replica_empty: the replica']);
  });

  it('walks over more than one page', async () => {
    await commit(async transaction => {
      for (let user = 0; user < 450; user++) await transaction.put('User', `user-${user}`, {}, {});
      return { write: true, result: undefined };
    });
    await sync();
    const { differenceCount, compared } = await verifySite(dataDir);
    assert.deepEqual([differenceCount, compared], [0, 456]);
  });
});
