import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inBatches } from './in-batches.ts';

test('who asks while a batch is under way is in the next one, with the others, and gets the own answer', async () => {
  const batches: (readonly number[])[] = [];
  const double = inBatches(3, async (numbers: readonly number[]) => {
    batches.push(numbers);
    await new Promise(setImmediate);
    return numbers.map(number => 2 * number);
  });
  assert.deepEqual(await Promise.all([1, 2, 3, 4, 5].map(double)), [2, 4, 6, 8, 10]);
  assert.deepEqual(batches, [[1], [2, 3, 4], [5]]);
});

test('a batch that fails fails for those in it alone', async () => {
  const even = inBatches(1, async ([number = 0]: readonly number[]) => {
    if (number % 2 === 1) throw new Error('odd');
    return [number];
  });
  const [odd, fine] = await Promise.allSettled([even(1), even(2)]);
  assert.equal(odd.status, 'rejected');
  assert.deepEqual(fine, { status: 'fulfilled', value: 2 });
});
