import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differsByMore } from './rank-test.ts';

/** Numbers that look random and are the same each time. */
function draws(count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  });
}

test('two samples of one distribution do not differ, and a moved one does', () => {
  const [a, b] = [draws(1000, 1), draws(1000, 2)];
  assert.ok(!differsByMore(a, b, 0).isSure);
  for (const by of [0.2, -0.2]) {
    assert.ok(
      differsByMore(
        a.map(value => value + by),
        b,
        0.05,
      ).isSure,
      `moved by ${by}`,
    );
    assert.ok(
      !differsByMore(
        a.map(value => value + by),
        b,
        0.25,
      ).isSure,
      `moved by ${by}, which is allowed`,
    );
  }
});

test('equal values are no difference, and neither are a few huge ones', () => {
  assert.equal(differsByMore([1, 1, 1], [1, 1, 1], 0).z, 0);
  const a = draws(1000, 3).map((value, at) => (at % 100 === 0 ? 1e6 : value));
  assert.ok(!differsByMore(a, draws(1000, 4), 0.05).isSure);
});

test('of a thousand pairs of equal samples none is found to differ', () => {
  const found = Array.from({ length: 1000 }, (_, n) => differsByMore(draws(60, n + 10), draws(60, n + 5_000), 0).z);
  assert.ok(Math.max(...found) < 4.9, `${Math.max(...found)}`);
  assert.ok(Math.max(...found) > 2.5, 'z has the size that it should have');
});
