import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DirectoryTrouble } from './directories.ts';
import { findOwner } from './find-owner.ts';
import { loginParts } from './login-name.ts';

type Found = 'one' | 'none' | 'unavailable';

/** Directories of these orders, and which of them were asked. */
function directories(...given: readonly (readonly [name: string, order: number, found: Found])[]) {
  const asked: string[] = [];
  const candidates = given.map(([name, order, found]) => ({
    config: { name, order },
    async find() {
      asked.push(name);
      return found === 'unavailable' ? ({ kind: 'unavailable' } as DirectoryTrouble) : ({ found } as never);
    },
  }));
  const ambiguous: string[][] = [];
  const owner = async () => {
    const found = await findOwner(candidates, loginParts('alice'), names => ambiguous.push([...names]));
    return 'config' in found ? found.config.name : found;
  };
  return { owner, asked, ambiguous };
}

test('the first by order that has a name is its directory, whoever has it behind', async () => {
  const { owner, asked, ambiguous } = directories(['late', 20, 'one'], ['empty', 5, 'none'], ['early', 10, 'one']);
  assert.equal(await owner(), 'early');
  assert.deepEqual(asked, ['empty', 'early']);
  assert.deepEqual(ambiguous, []);
});

test('two of one order that have it are none', async () => {
  const { owner, ambiguous } = directories(['a', 7, 'one'], ['b', 7, 'one'], ['c', 8, 'one']);
  assert.deepEqual(await owner(), { kind: 'nobody', why: 'ambiguous' });
  assert.deepEqual(ambiguous, [['a', 'b']]);
});

test('one that cannot be asked hands its names to nobody behind it; behind the owner it is not missed', async () => {
  assert.deepEqual(await directories(['away', 1, 'unavailable'], ['b', 2, 'one']).owner(), { kind: 'unavailable' });
  assert.equal(await directories(['a', 1, 'one'], ['away', 2, 'unavailable']).owner(), 'a');
  assert.deepEqual(await directories(['a', 1, 'one'], ['away', 1, 'unavailable']).owner(), { kind: 'unavailable' });
});

test('a name that nobody has is asked of the first; a single one is not asked beforehand', async () => {
  assert.equal(await directories(['b', 2, 'none'], ['a', 1, 'none']).owner(), 'a');
  const single = directories(['a', 1, 'none']);
  assert.equal(await single.owner(), 'a');
  assert.deepEqual(single.asked, []);
  assert.deepEqual(await directories().owner(), { kind: 'nobody' });
});
