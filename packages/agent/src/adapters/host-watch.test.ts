import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { watchHost } from './host-watch.ts';

function watched() {
  const clock = manualClock();
  let sleptMs = 0;
  const heard: string[] = [];
  const addresses = new Set(['127.0.0.1/8']);
  const stop = watchHost(
    { ...clock, monotonicMs: () => clock.monotonicMs() + sleptMs },
    { onLinkUp: () => heard.push('up'), onResumed: () => heard.push('resumed') },
    () => new Set(addresses),
  );
  const sleep = (ms: number) => {
    sleptMs += ms;
  };
  return { clock, heard, addresses, stop, sleep };
}

test('a quiet host is silent', async () => {
  const { clock, heard } = watched();
  await clock.advance(60_000);
  assert.deepEqual(heard, []);
});

test('a new address is a link that came up; one that goes is not', async () => {
  const { clock, heard, addresses } = watched();
  addresses.add('192.0.2.7/24');
  await clock.advance(2_000);
  assert.deepEqual(heard, ['up']);
  addresses.delete('192.0.2.7/24');
  await clock.advance(10_000);
  assert.deepEqual(heard, ['up']);
});

test('a look that comes a night late is a wake-up, told once', async () => {
  const { clock, heard, sleep } = watched();
  sleep(8 * 3_600_000);
  await clock.advance(10_000);
  assert.deepEqual(heard, ['resumed']);
});

test('a clock that is set, back or ahead, is no wake-up', async () => {
  const { clock, heard } = watched();
  clock.setNow(clock.nowMs() - 3_600_000);
  await clock.advance(10_000);
  clock.setNow(clock.nowMs() + 8 * 3_600_000);
  await clock.advance(10_000);
  assert.deepEqual(heard, []);
});

test('nothing is told after the end', async () => {
  const { clock, heard, addresses, stop } = watched();
  stop();
  addresses.add('192.0.2.7/24');
  await clock.advance(10_000);
  assert.deepEqual(heard, []);
  assert.equal(clock.waiting(), 0);
});
