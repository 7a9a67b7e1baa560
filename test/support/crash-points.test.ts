import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose } from './crash-points.ts';

const POINTS = Array.from({ length: 30 }, (_, at) => at);

test('few points are all taken', () => {
  assert.deepEqual(choose(POINTS.slice(0, 5), 6), [0, 1, 2, 3, 4]);
});

test('of many, so many are, from one end to the other', () => {
  for (const offset of [0, 0.3, 0.999]) {
    const chosen = choose(POINTS, 7, offset);
    assert.equal(chosen.length, 7);
    assert.deepEqual([chosen[0], chosen.at(-1)], [0, POINTS.length - 1]);
  }
});

test('over many runs each has its turn', () => {
  const offsets = Array.from({ length: 50 }, (_, at) => at / 50);
  const met = new Set(offsets.flatMap(offset => choose(POINTS, 7, offset)));
  assert.equal(met.size, POINTS.length);
});
