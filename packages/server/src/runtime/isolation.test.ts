import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { ISOLATED_AFTER_MS, type Isolation, watchIsolation } from './isolation.ts';

describe('a Primary that sees nobody', () => {
  let clock: ManualClock;
  let connected: boolean;
  let others: boolean;
  let isolation: Isolation;

  beforeEach(() => {
    clock = manualClock();
    [connected, others] = [false, true];
    isolation = watchIsolation({ seesAnybody: () => connected, hasOthers: () => others, clock });
  });

  it('is isolated after a minute, and no more as soon as somebody is there', async () => {
    await clock.advance(ISOLATED_AFTER_MS);
    assert.equal(isolation.isIsolated(), false);
    await clock.advance(1);
    assert.equal(isolation.isIsolated(), true);
    connected = true;
    assert.equal(isolation.isIsolated(), false);
  });

  it('counts from when it saw somebody last, or heard another server', async () => {
    connected = true;
    await clock.advance(ISOLATED_AFTER_MS);
    connected = false;
    await clock.advance(ISOLATED_AFTER_MS - 2_000);
    assert.equal(isolation.isIsolated(), false);
    isolation.saw();
    await clock.advance(ISOLATED_AFTER_MS);
    assert.equal(isolation.isIsolated(), false);
    await clock.advance(1);
    assert.equal(isolation.isIsolated(), true);
  });

  it('at its start it has seen nobody, until somebody is there or answers', async () => {
    assert.deepEqual([isolation.isIsolated(), isolation.seesNobody()], [false, true]);
    isolation.saw();
    assert.equal(isolation.seesNobody(), false);
    await clock.advance(ISOLATED_AFTER_MS + 1);
    assert.equal(isolation.seesNobody(), true);
    connected = true;
    assert.equal(isolation.seesNobody(), false);
    [connected, others] = [false, false];
    assert.equal(isolation.seesNobody(), false);
  });

  it('is none where the site has no other server: nobody can have been promoted', async () => {
    others = false;
    await clock.advance(10 * ISOLATED_AFTER_MS);
    assert.equal(isolation.isIsolated(), false);
  });

  it('leaves no timer', () => {
    isolation.stop();
    assert.equal(clock.waiting(), 0);
  });
});
