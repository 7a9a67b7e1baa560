import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import type { ReplicaPosition } from '../ports.ts';
import { createSecondariesAhead } from './secondaries-ahead.ts';

const at = (generation: number, commitId = `commit-${generation}`, epoch = 1): ReplicaPosition => {
  return { siteId: 'site', version: { epoch, generation }, commitId };
};

describe('Secondaries that have what the database lacks', () => {
  let mine: ReplicaPosition;
  let database: Set<string>;
  let asked: string[];
  let changes: number;
  let reachable: boolean;
  let answer: Promise<void>;
  let clock: ManualClock;
  const make = () =>
    createSecondariesAhead({
      async lacks({ commitId }) {
        asked.push(commitId);
        await answer;
        if (!reachable) throw new Error('away');
        return !database.has(commitId);
      },
      position: () => mine,
      onChange: () => changes++,
      clock,
    });
  let ahead: ReturnType<typeof make>;
  const hears = async (name: string, position: ReplicaPosition) => {
    ahead.heard(name, position);
    await nextTurn();
  };

  beforeEach(() => {
    mine = at(3);
    database = new Set(['commit-1', 'commit-2', 'commit-3']);
    [asked, changes, reachable, answer] = [[], 0, true, Promise.resolve()];
    clock = manualClock();
    ahead = make();
  });

  it('are none that rest on what is there; a commit is asked for once, and our own never', async () => {
    for (const generation of [1, 1, 2, 3, 3]) await hears('b', at(generation));
    assert.deepEqual([ahead.any(), changes, asked], [false, 0, ['commit-1', 'commit-2']]);
    assert.deepEqual(ahead.known(), [{ name: 'b', position: at(3) }]);
  });

  it('are told of, and forgotten when the database has it, or they have another', async () => {
    await hears('b', at(4));
    assert.deepEqual([ahead.any(), changes], [true, 1]);
    database.add('commit-4');
    await hears('b', at(4));
    assert.deepEqual([ahead.any(), changes], [false, 2]);
    await hears('b', at(3, 'other'));
    await hears('b', at(3));
    assert.deepEqual([ahead.any(), changes], [false, 4]);
  });

  it('stay what they were while the database cannot be asked', async () => {
    reachable = false;
    await hears('b', at(2));
    assert.equal(ahead.any(), false);
    reachable = true;
    await hears('b', at(4));
    reachable = false;
    await hears('b', at(4));
    assert.equal(ahead.any(), true);
  });

  it('stand where they said last, whenever the database answers about what they said before', async () => {
    const late = Promise.withResolvers<void>();
    answer = late.promise;
    await hears('b', at(4));
    await hears('c', at(4));
    answer = Promise.resolve();
    await hears('b', at(2));
    ahead.overrule(['c']);
    late.resolve();
    await nextTurn();
    assert.deepEqual(ahead.known(), [{ name: 'b', position: at(2) }]);
    assert.equal(ahead.any(), false);
  });

  it('count no more in another epoch', async () => {
    await hears('b', at(4));
    mine = at(4, 'raised', 2);
    assert.equal(ahead.any(), false);
    await hears('b', at(4));
    assert.equal(ahead.any(), false);
  });

  it('are not heard any more where an administrator has decided against them: a stolen one blocks nothing twice', async () => {
    await hears('b', at(4));
    await hears('c', at(2));
    ahead.overrule(['b']);
    await hears('b', at(4, 'more', 1));
    assert.deepEqual([ahead.any(), ahead.known().map(({ name }) => name)], [false, ['c']]);
  });

  it('count again an hour after that, once they have followed: what they have then is no old story', async () => {
    await hears('b', at(4));
    ahead.overrule(['b']);
    mine = at(4, 'raised', 2);
    await hears('b', mine);
    await hears('b', at(5, 'too-soon', 2));
    assert.equal(ahead.any(), false);
    await clock.advance(3_600_000);
    await hears('b', at(6, 'without-having-followed', 2));
    assert.equal(ahead.any(), false);
    await hears('b', mine);
    await hears('b', at(7, 'a-later-lead', 2));
    assert.equal(ahead.any(), true);
  });
});
