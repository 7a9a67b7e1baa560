import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createGroupCommit } from './group-commit.ts';

/** Takes numbers; refuses a group that has a negative one; takes nothing while the disk is full. */
function setUp() {
  const groups: number[][] = [];
  const log: string[] = [];
  const disk = { full: false, writes: 0 };
  const group = createGroupCommit<number>({
    write(entries) {
      disk.writes++;
      if (disk.full) throw new Error('full');
      if (entries.some(entry => entry < 0)) throw new Error(`refused ${entries.filter(entry => entry < 0)}`);
      groups.push([...entries]);
      log.push(`wrote ${entries}`);
    },
    concernsAll: () => disk.full,
    onWritten: () => log.push('told'),
  });
  return { group, groups, log, disk };
}

describe('group commit', () => {
  it('writes all entries of one turn together, in order', async () => {
    const { group, groups } = setUp();
    await Promise.all([group.add(1), group.add(2), group.add(3)]);
    await group.add(4);
    assert.deepEqual(groups, [[1, 2, 3], [4]]);
  });

  it('resolves no entry before it is written', async () => {
    const { group, log } = setUp();
    await group.add(1).then(() => log.push('resolved'));
    assert.deepEqual(log, ['wrote 1', 'told', 'resolved']);
  });

  it('lets an entry that cannot be written fail alone', async () => {
    const { group, groups } = setUp();
    const outcomes = await Promise.allSettled([group.add(1), group.add(-2), group.add(3)]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(groups, [[1], [3]]);
  });

  it('lets all fail together, with one attempt, when none could be written', async () => {
    const { group, groups, disk } = setUp();
    disk.full = true;
    const outcomes = await Promise.allSettled([group.add(1), group.add(2)]);
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    assert.equal(disk.writes, 1);
    disk.full = false;
    await group.add(3);
    assert.deepEqual(groups, [[3]]);
  });

  it('never writes what it has refused', async () => {
    const { group, groups, disk } = setUp();
    disk.full = true;
    const refused = group.add(1);
    refused.catch(() => {
      disk.full = false;
    });
    await assert.rejects(refused);
    group.flush();
    assert.equal(disk.writes, 1);
    assert.deepEqual(groups, []);
  });

  it('tells of nothing when nothing was written', async () => {
    const { group, log } = setUp();
    await assert.rejects(group.add(-1), /refused -1/);
    assert.deepEqual(log, []);
  });

  it('writes what waits at once when it is flushed, and not again', async () => {
    const { group, groups } = setUp();
    const added = group.add(1);
    group.flush();
    assert.deepEqual(groups, [[1]]);
    await added;
    await group.add(2);
    assert.deepEqual(groups, [[1], [2]]);
  });
});
