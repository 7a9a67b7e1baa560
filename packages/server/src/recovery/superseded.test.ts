import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import type { ReplicaPosition, StoredObject } from '../ports.ts';
import { createLeaving } from './superseded.ts';

const RESTS_ON = { epoch: 1, generation: 3, commitId: 'commit-3' };
const at = (generation: number): ReplicaPosition => {
  return { siteId: 'site', version: { epoch: 1, generation }, commitId: `${generation}-commit` };
};
const user = (name: string, generation: number): StoredObject => {
  return { kind: 'User', name, uid: name, generation, body: {}, system: {}, deleted: false };
};

describe('a Primary in whose place another one was promoted', () => {
  let folder: string;
  let position: ReplicaPosition | undefined;
  let objects: readonly StoredObject[];
  let databaseRead: boolean;
  let told: Record<string, unknown>[];
  const make = () =>
    createLeaving({
      replica: { position: () => position, page: after => (after === undefined ? objects : []) },
      databaseRead: () => databaseRead,
      isServer: ({ name }) => name === 'primary',
      ...{ folder, clock: manualClock(), log: { warn() {}, error: assert.fail } },
      tell: async (_, data) => told.push(data),
    });
  let leaving: ReturnType<typeof make>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'thinman-superseded-'));
    [position, objects, databaseRead, told] = [at(5), [user('alice', 5)], true, []];
    leaving = make();
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const exported = () => readdirSync(folder).map(file => readFileSync(join(folder, file), 'utf8'));

  it('exports what lies beyond the new epoch, once', async () => {
    for (let round = 0; round < 3; round++) await leaving.leave(RESTS_ON);
    assert.equal(exported().length, 1);
    assert.match(exported()[0] ?? '', /name: alice/);
    assert.equal(told.length, 1);
    assert.deepEqual(leaving.status(), { complete: true, file: told[0]?.file });
  });

  it('exports what lands later as well: a commit was under way, or its database was behind', async () => {
    await leaving.leave(RESTS_ON);
    [position, objects] = [at(6), [...objects, user('late', 6)]];
    assert.equal(leaving.status().complete, false);
    await leaving.moved();
    assert.equal(exported().length, 2);
    assert.ok(exported().some(text => /name: alice/.test(text) && /name: late/.test(text)));
    assert.deepEqual(leaving.status(), { complete: true, file: told[1]?.file });
  });

  it('exports what lands while it does so', async () => {
    const first = leaving.leave(RESTS_ON);
    [position, objects] = [at(6), [...objects, user('late', 6)]];
    await leaving.moved();
    await first;
    assert.ok(exported().some(text => /name: late/.test(text)));
    assert.equal(leaving.status().complete, true);
  });

  it('has exported nothing for certain while its database is away', async () => {
    [position, objects, databaseRead] = [at(3), [], false];
    await leaving.leave(RESTS_ON);
    assert.deepEqual(leaving.status(), { complete: false, file: null });
    // It answers, and has more than the copy had.
    [position, objects, databaseRead] = [at(4), [user('late', 4)], true];
    assert.equal(leaving.status().complete, false);
    await leaving.moved();
    assert.equal(exported().length, 1);
    assert.equal(leaving.status().complete, true);
  });

  it('waits for a copy that is damaged, and for the word from where on', async () => {
    await leaving.moved();
    assert.deepEqual([exported(), leaving.status().complete], [[], false]);
    position = undefined;
    await leaving.leave(RESTS_ON);
    assert.deepEqual([exported(), leaving.status().complete], [[], false]);
    position = at(5);
    await leaving.leave(RESTS_ON);
    assert.equal(exported().length, 1);
  });

  it('writes nothing twice over a restart, and knows where it is', async () => {
    await leaving.leave(RESTS_ON);
    const again = make();
    await again.leave(RESTS_ON);
    assert.equal(exported().length, 1);
    assert.deepEqual(again.status(), leaving.status());
  });

  it('names a server that has joined on its side alone: it has to join anew', async () => {
    const server = (name: string): StoredObject => ({ ...user(name, 5), kind: 'Server' });
    objects = [server('primary'), server('joined')];
    await leaving.leave(RESTS_ON);
    assert.match(exported()[0] ?? '', /^# {3}thinman token server --name joined .*join/m);
    assert.doesNotMatch(exported()[0] ?? '', /name primary/);
  });

  it('writes no file where the new Primary has it all', async () => {
    [position, objects] = [at(3), [user('alice', 3)]];
    await leaving.leave(RESTS_ON);
    assert.deepEqual([exported(), leaving.status()], [[], { complete: true, file: null }]);
  });
});
