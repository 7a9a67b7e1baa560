import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { startSilence } from './silence.ts';

const never = new Promise<never>(() => {});

test('waits so long for a sign of life, and so long again after each', async () => {
  const clock = manualClock();
  const silence = startSilence(clock, 100);
  let ended: unknown;
  void silence.orLate(never).then(value => {
    ended = value;
  });
  for (let n = 0; n < 5; n++) {
    await clock.advance(99);
    silence.broken();
  }
  assert.equal(ended, undefined);
  silence.broken(1_000);
  await clock.advance(1_099);
  assert.equal(ended, undefined);
  await clock.advance(1);
  assert.equal(ended, 'late');
});

test('gives what the work gives, leaves no timer, and what comes too late harms nobody', async () => {
  const clock = manualClock();
  assert.equal(await startSilence(clock, 100).orLate(Promise.resolve('done')), 'done');
  await assert.rejects(startSilence(clock, 100).orLate(Promise.reject(new Error('failed'))), /failed/);
  const { promise, reject } = Promise.withResolvers<never>();
  const silence = startSilence(clock, 100);
  const waiting = silence.orLate(promise);
  await clock.advance(100);
  assert.equal(await waiting, 'late');
  reject(new Error('much too late'));
  silence.broken();
  assert.equal(clock.waiting(), 0);
});
