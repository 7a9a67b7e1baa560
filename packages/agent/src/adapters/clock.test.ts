import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSystemClock, systemClock } from './clock.ts';

function machine() {
  let awakeMs = 40;
  let sinceBootMs = 9_000_000;
  let looks = 0;
  const clock = createSystemClock({
    awakeMs: () => awakeMs,
    // In steps of 10 ms, as /proc/uptime has it.
    sinceBootMs() {
      looks += 1;
      return Math.floor(sinceBootMs / 10) * 10;
    },
  });
  return {
    clock,
    looks: () => looks,
    work(ms: number) {
      awakeMs += ms;
      sinceBootMs += ms;
    },
    sleep(ms: number) {
      sinceBootMs += ms;
    },
  };
}

test('a machine that is awake is measured to the fraction of a millisecond', () => {
  const { clock, work } = machine();
  const before = clock.monotonicMs();
  work(3.25);
  assert.equal(clock.monotonicMs() - before, 3.25);
});

test('a night asleep is counted, once, and the clock never goes back', () => {
  const { clock, work, sleep } = machine();
  const seen = [clock.monotonicMs()];
  const NIGHT_MS = 8 * 3_600_000;
  for (const step of [() => work(7), () => sleep(NIGHT_MS), () => work(8), () => sleep(NIGHT_MS), () => work(4)]) {
    step();
    seen.push(clock.monotonicMs());
  }
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  const countedMs = (seen.at(-1) ?? 0) - (seen[0] ?? 0);
  assert.ok(Math.abs(countedMs - 2 * NIGHT_MS - 19) <= 10, `${countedMs} ms`);
});

test('for all that happens at one moment, the time since boot is read once', () => {
  const { clock, looks, work } = machine();
  const before = looks();
  for (let nth = 0; nth < 100; nth++) {
    clock.monotonicMs();
    work(0.01);
  }
  assert.equal(looks() - before, 1);
  work(2);
  clock.monotonicMs();
  assert.equal(looks() - before, 2);
});

test('the clock of this machine goes on', async () => {
  const before = systemClock.monotonicMs();
  await new Promise<void>(resolve => systemClock.after(5, resolve));
  assert.ok(systemClock.monotonicMs() > before);
});
