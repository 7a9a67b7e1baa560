import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { ANSWER_STEP_MS, onTheBeat } from './even-answers.ts';

describe('a refusal', () => {
  /** When an answer of work that took so long is heard, in ms. */
  async function heardAfter(tookMs: number, isTold = true): Promise<number> {
    const clock = manualClock();
    const beganMs = clock.monotonicMs();
    let heardMs: number | undefined;
    const work = () => new Promise<object>(resolve => void clock.after(tookMs, () => resolve({})));
    void onTheBeat(work, () => isTold, clock).then(() => {
      heardMs = clock.monotonicMs() - beganMs;
    });
    for (let ms = 0; ms < 1_000 && heardMs === undefined; ms += 1) await clock.advance(1);
    assert.ok(heardMs !== undefined);
    return heardMs;
  }

  test('is heard at the next beat of a clock that began with the question, however long it took', async () => {
    for (const tookMs of [1, 9, 12, 130, ANSWER_STEP_MS - 1])
      assert.equal(await heardAfter(tookMs), ANSWER_STEP_MS, `${tookMs}`);
    assert.equal(await heardAfter(ANSWER_STEP_MS + 1), 2 * ANSWER_STEP_MS);
  });

  test('alone: who is let in waits for nothing', async () => {
    assert.equal(await heardAfter(12, false), 12);
  });

  test('that only later turns out to be one is told at the same beat', async () => {
    const clock = manualClock();
    const work = () => new Promise<object>(resolve => void clock.after(12, () => resolve({})));
    let toldMs: number | undefined;
    void onTheBeat(work, () => false, clock).then(async ({ untilBeat }) => {
      await untilBeat?.();
      toldMs = clock.monotonicMs();
    });
    for (let ms = 0; ms < 1_000 && toldMs === undefined; ms += 1) await clock.advance(1);
    assert.equal(toldMs, ANSWER_STEP_MS);
    assert.equal(clock.waiting(), 0, 'and the clock has stopped');
  });

  test('that fails is heard at once: it says nothing of anybody', async () => {
    const clock = manualClock();
    const failing = onTheBeat(
      () => Promise.reject(new Error('broken')),
      () => true,
      clock,
    );
    await assert.rejects(failing, /broken/);
  });
});
