import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import { fuzz, heapMib, replay, runsOf, TARGETS } from './fuzz.ts';
import { REGRESSIONS } from './regressions.ts';

/** Of all routes and channels together, other targets on top; `npm run fuzz` takes as many as it has time for. */
const RUNS = Number(process.env.THINMAN_FUZZ_RUNS ?? 100_000);
/** A new one each time, so that many runs of the suite see much: what is found says with which. */
const SEED = Number(process.env.THINMAN_FUZZ_SEED ?? randomInt(2 ** 31));
/** Once more for the memory: enough that what stays behind of each input adds up. */
const AGAIN = RUNS / 20;
/** Twice what one round differs from the next; with 5,000 inputs a leak of 5 kB an input would be seen. */
const GROWTH_MIB = 24;

describe(`random and mutated input, seed ${SEED}`, () => {
  for (const target of TARGETS) {
    test(`${target.name}: every answer is one of the protocol, none is 500, nothing crashes`, async () => {
      const known = REGRESSIONS.filter(regression => regression.target === target.name);
      await replay(
        target,
        known.map(({ input }) => input),
      );
      await fuzz(target, { seed: SEED, runs: runsOf(target, RUNS) });
    });
  }

  test('leaves nothing behind in memory', async () => {
    const before = heapMib();
    for (const target of TARGETS) await fuzz(target, { seed: SEED + 1, runs: runsOf(target, AGAIN) });
    const after = heapMib();
    assert.ok(after - before < GROWTH_MIB, `${before} MiB before, ${after} MiB after`);
  });

  test('routes and channels have all of these inputs among them', () => {
    const runs = TARGETS.map(({ parts, ...target }) => (parts === undefined ? 0 : runsOf({ ...target, parts }, RUNS)));
    assert.ok(runs.reduce((sum, each) => sum + each) >= RUNS, `${runs}`);
  });

  test('every regression is of a target that there is', () => {
    const names = TARGETS.map(({ name }) => name);
    assert.deepEqual(
      REGRESSIONS.filter(({ target }) => !names.includes(target)),
      [],
    );
  });
});
