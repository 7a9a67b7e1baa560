import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inBatches } from './batches.ts';

const sizes = (rows: readonly number[]) => [...inBatches(rows, chars => chars)].map(batch => batch.length);

describe('rows of one statement', () => {
  it('are as many as it may hold, in their order, and none is left out', () => {
    const rows = Array.from({ length: 450 }, (_, i) => i);
    assert.deepEqual([...inBatches(rows, () => 1)].flat(), rows);
    assert.deepEqual(sizes(rows.map(() => 1)), [200, 200, 50]);
    assert.deepEqual(sizes([]), []);
  });

  it('stay below a packet, and one that is larger goes alone', () => {
    const large = 600 * 1024;
    assert.deepEqual(sizes([large, large, 1, 1, 3 * large, 1]), [1, 3, 1, 1]);
  });
});
