import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_AGENT_TIMINGS, type DeviceBundle } from '@thinman/protocol';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import type { Applier } from './applier.ts';
import { createApplying } from './applying.ts';

const holdingAt = (generation: number) => ({ device: bundleAt(generation), user: null });
const bundleAt = (generation: number): DeviceBundle => ({
  version: { epoch: 1, generation },
  etag: `e${generation}`,
  device: { id: '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11', name: 'tc-1', group: 'ward-3' },
  settings: {},
  profile: { connections: [] },
  timings: DEFAULT_AGENT_TIMINGS,
});

/** An applier on a disk that may be full, and what it was given. */
function disk() {
  const given: number[] = [];
  const state = { isFull: false };
  const applier: Applier = {
    section: 'files',
    async apply({ device: { version } }) {
      given.push(version.generation);
      if (state.isFull) throw new Error('ENOSPC');
      return { result: 'applied' };
    },
  };
  return { given, state, applier };
}

test('what failed is applied again until it is, and always the newest', async () => {
  const clock = manualClock();
  const { given, state, applier } = disk();
  const applying = createApplying({ appliers: () => [applier], clock, onDefect: error => assert.fail(String(error)) });
  state.isFull = true;
  applying.take(holdingAt(1));
  await clock.advance(10_000);
  assert.deepEqual(given, [1, 1]);
  applying.take(holdingAt(2));
  await clock.advance(10_000);
  state.isFull = false;
  await clock.advance(20_000);
  assert.deepEqual(given, [1, 1, 2, 2, 2]);
  await clock.advance(60_000);
  assert.deepEqual(given, [1, 1, 2, 2, 2]);
  assert.equal(clock.waiting(), 0);
});

test('nothing is applied after the end', async () => {
  const clock = manualClock();
  const { given, state, applier } = disk();
  const applying = createApplying({ appliers: () => [applier], clock, onDefect: error => assert.fail(String(error)) });
  state.isFull = true;
  applying.take(holdingAt(1));
  await clock.advance(0);
  await applying.stop();
  applying.take(holdingAt(2));
  await clock.advance(60_000);
  assert.deepEqual(given, [1]);
});

test('what is asked for while a round goes on is one more round, with the newest', async () => {
  const clock = manualClock();
  const given: number[] = [];
  const open: (() => void)[] = [];
  const applier: Applier = {
    section: 'files',
    async apply({ device: { version } }) {
      given.push(version.generation);
      await new Promise<void>(resolve => open.push(resolve));
      return { result: 'failed', why: 'it hung' };
    },
  };
  const applying = createApplying({ appliers: () => [applier], clock });
  for (const generation of [1, 2, 3, 4]) {
    applying.take(holdingAt(generation));
    await clock.advance(0);
  }
  assert.deepEqual(given, [1]);
  open.pop()?.();
  await clock.advance(0);
  assert.deepEqual(given, [1, 4]);
  open.pop()?.();
  await clock.advance(0);
  assert.deepEqual(given, [1, 4], 'one for all of them');
  await clock.advance(10_000);
  assert.deepEqual(given, [1, 4, 4], 'and again after its wait');
});

test('whatever comes of making the appliers, or of telling the results, it goes on, and says so', async () => {
  const clock = manualClock();
  const { given, applier } = disk();
  const told: unknown[] = [];
  const defects: unknown[] = [];
  let isBroken = true;
  const applying = createApplying({
    clock,
    appliers() {
      if (isBroken) throw new Error('EACCES');
      return [applier];
    },
    onResults(_, results) {
      told.push(results);
      throw new Error('cannot be told');
    },
    onDefect: error => defects.push((error as Error).message),
  });
  applying.take(holdingAt(1));
  await clock.advance(0);
  assert.deepEqual(told, [{ files: { result: 'failed', why: 'EACCES' } }]);
  isBroken = false;
  await clock.advance(10_000);
  assert.deepEqual(given, [1]);
  assert.deepEqual(defects, ['EACCES', 'cannot be told', 'cannot be told']);
});
