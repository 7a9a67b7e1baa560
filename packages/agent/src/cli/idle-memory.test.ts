import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { releaseMemoryWhenIdle } from './idle-memory.ts';

const MB = 1_000_000;
const IDLE_MS = 10_000;

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

/** A heap that keeps 5 MB of what it has, and how often that was collected. */
function started() {
  const heap = { bytes: 12 * MB, collected: 0 };
  let changed = () => {};
  const stop = releaseMemoryWhenIdle(
    listener => {
      changed = listener;
      return () => {};
    },
    {
      usedBytes: () => heap.bytes,
      collect() {
        heap.collected += 1;
        heap.bytes = 5 * MB;
      },
    },
  );
  return { heap, stop, changed: () => changed() };
}

test('what a start needed is given back once nothing has happened for 10 s', () => {
  const { heap, changed, stop } = started();
  mock.timers.tick(IDLE_MS - 1);
  changed();
  mock.timers.tick(IDLE_MS - 1);
  assert.equal(heap.collected, 0);
  mock.timers.tick(1);
  assert.equal(heap.collected, 1);
  stop();
});

test('a word that leaves next to nothing behind is no reason to collect again; a login is', () => {
  const { heap, changed, stop } = started();
  mock.timers.tick(IDLE_MS);
  for (let word = 0; word < 5; word++) {
    heap.bytes += 0.1 * MB;
    changed();
    mock.timers.tick(IDLE_MS);
  }
  assert.equal(heap.collected, 1);
  heap.bytes += 3 * MB;
  changed();
  mock.timers.tick(IDLE_MS);
  assert.equal(heap.collected, 2);
  stop();
});
