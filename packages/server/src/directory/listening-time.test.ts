import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterListening } from './listening-time.ts';

/** Timers that a test fires by hand: a turn of the server may be over long after they were due. */
function timers() {
  let pending: { readonly delayMs: number; readonly action: () => void } | undefined;
  return {
    after(delayMs: number, action: () => void) {
      const mine = { delayMs, action };
      pending = mine;
      return () => {
        if (pending === mine) pending = undefined;
      };
    },
    /** Gives the delay that was asked for; undefined: nothing is under way. */
    fire() {
      const due = pending;
      pending = undefined;
      due?.action();
      return due?.delayMs;
    },
  };
}

test('a deadline is over when all of it was listened for: a turn that took too long counts once', () => {
  const clock = timers();
  let isOver = false;
  afterListening(clock, 250, () => {
    isOver = true;
  });
  assert.equal(clock.fire(), 100);
  assert.equal(isOver, false, 'whatever the clock says: what has come meanwhile is heard first');
  assert.equal(clock.fire(), 100);
  assert.equal(isOver, false);
  assert.equal(clock.fire(), 50);
  assert.equal(isOver, true);
  assert.equal(clock.fire(), undefined);
});

test('it can be stopped at any time, and one that is over already ends at the next turn', () => {
  const clock = timers();
  let times = 0;
  const stop = afterListening(clock, 300, () => times++);
  clock.fire();
  stop();
  assert.equal(clock.fire(), undefined);
  afterListening(clock, 0, () => times++);
  assert.equal(times, 0);
  assert.equal(clock.fire(), 0);
  assert.equal(times, 1);
});
