import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoginResult, NO_VERSION } from '@thinman/protocol';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import { initialState } from '../core/transition.ts';
import { createAutologinDesk } from './autologin-desk.ts';

const MINUTE_MS = 60_000;
const site = { siteId: 's', epoch: 1, version: 1, directorySuffixes: [] };
const memory = { accepted: NO_VERSION, heldDevice: NO_VERSION, heldNewest: NO_VERSION };

/** A desk to whose account everything is denied like this. */
function deskOf(denial: Pick<LoginResult, 'reason' | 'retryAfterMs'>) {
  const clock = manualClock();
  const triedAtMs: number[] = [];
  const desk = createAutologinDesk({
    clock,
    state: () => ({ ...initialState({ site, servers: [] }, memory), phase: 'running' }),
    settings: () => ({ 'session.autologin': { user: 'kiosk', password: 'secret' } }),
    async login() {
      triedAtMs.push(clock.monotonicMs());
      return {
        ...{ verdict: 'denied', mode: 'online', server: 'primary', user: 'kiosk' },
        ...{ epoch: 1, generation: 1, elapsedMs: 0, ...denial },
      };
    },
    isSame: (one, other) => one === other,
    end() {},
  });
  desk.look();
  return { clock, triedAtMs };
}

test('out of hours it tries when they begin, and every few minutes before: nobody tells it that they were changed', async () => {
  const soon = deskOf({ reason: 'not_permitted', retryAfterMs: MINUTE_MS });
  await soon.clock.advance(MINUTE_MS);
  assert.deepEqual(soon.triedAtMs, [0, MINUTE_MS]);
  const onMonday = deskOf({ reason: 'not_permitted', retryAfterMs: 60 * 60 * MINUTE_MS });
  await onMonday.clock.advance(60 * MINUTE_MS);
  assert.ok(onMonday.triedAtMs.length >= 7, `${onMonday.triedAtMs.length} tries in an hour`);
  const atOnce = deskOf({ reason: 'not_permitted', retryAfterMs: 0 });
  await atOnce.clock.advance(MINUTE_MS);
  assert.ok(atOnce.triedAtMs.length <= 7, `${atOnce.triedAtMs.length} tries in a minute`);
});

test('a lockout is waited for as long as it is told', async () => {
  const locked = deskOf({ reason: 'too_many_attempts', retryAfterMs: 40 * MINUTE_MS });
  await locked.clock.advance(39 * MINUTE_MS);
  assert.equal(locked.triedAtMs.length, 1);
  await locked.clock.advance(2 * MINUTE_MS);
  assert.equal(locked.triedAtMs.length, 2);
});
