import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Missing } from '@thinman/protocol';
import { journalLevel } from './journal-level.ts';
import { describeMissing, NOTHING_MISSING, stillMissing } from './missing.ts';

const at = (generation: number, epoch = 1) => ({ epoch, generation });
const user = (name: string, generation: number) => ({ kind: 'User', name, generation });
/** Newest first, as a Primary tells it; `more` that are not named, none newer than the last. */
const told = (objects: Missing['objects'], more = 0): Missing => ({ count: objects.length + more, objects });

describe('what is missing', () => {
  const three = told([user('carol', 9), user('bob', 8), user('alice', 7)]);

  test('is what was told and has not arrived', () => {
    assert.deepEqual(stillMissing({ version: at(9), missing: three }, at(6)), three);
    assert.deepEqual(stillMissing({ version: at(9), missing: three }, at(7)).objects, three.objects.slice(0, 2));
    assert.equal(stillMissing({ version: at(9), missing: three }, at(8)).count, 1);
    assert.equal(stillMissing({ version: at(9), missing: three }, at(9)), NOTHING_MISSING);
  });
  test('counts what is not named until one of those that are has arrived', () => {
    const many = told(three.objects, 40);
    assert.equal(stillMissing({ version: at(9), missing: many }, at(3)).count, 43);
    assert.equal(stillMissing({ version: at(9), missing: many }, at(7)).count, 2);
  });
  test('is everything when the site has begun a new epoch, and nothing when it is here', () => {
    assert.deepEqual(stillMissing({ version: at(3, 2), missing: three }, at(900, 1)), three);
    assert.equal(stillMissing({ version: at(900, 1), missing: three }, at(3, 2)), NOTHING_MISSING);
  });
  test('in words: oldest first, ten by name', () => {
    assert.equal(
      describeMissing(told([user('bob', 42), user('alice', 41)])),
      '2 objects have not arrived: User/alice (generation 41), User/bob (generation 42)',
    );
    assert.equal(describeMissing(told([user('alice', 41)])), '1 object has not arrived: User/alice (generation 41)');
    const many = told(
      Array.from({ length: 30 }, (_, i) => user(`u${i}`, 100 - i)),
      70,
    );
    assert.match(describeMissing(many), /^100 objects have not arrived: User\/u29 .* and 90 more$/);
    assert.equal(describeMissing({ count: 7, objects: [] }), '7 objects have not arrived');
  });
});

describe('how full a journal is', () => {
  test('is told at half and at 80 %, and again only after it has fallen ten below', () => {
    const steps = [49, 50, 60, 79, 80, 99, 120, 71, 69, 41, 39, 50];
    let level = journalLevel(0, 0, 100);
    const levels = steps.map(percent => {
      level = journalLevel(level, percent, 100);
      return level;
    });
    assert.deepEqual(levels, [0, 50, 50, 50, 80, 80, 80, 80, 50, 50, 0, 50]);
  });
});
