import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_OFFLINE_RULES, type LoginHours, WEEK_HOURS_BYTES, weekHours } from '@thinman/protocol';
import { decideOffline } from './offline-login.ts';

const FRIDAY_EVENING_MS = Date.parse('2026-11-27T19:00:00Z');
const HOUR_MS = 3_600_000;
const days: LoginHours = { timeZone: 'UTC', times: [{ days: ['monday', 'friday'], from: '07:00', to: '18:00' }] };

function waitMs(more: object): number | undefined {
  const rules = { ...DEFAULT_OFFLINE_RULES, ...more };
  const decision = decideOffline(
    {
      cached: { rules, lastOnlineMs: FRIDAY_EVENING_MS },
      ...{ cacheDamaged: false, tombstone: undefined, failures: { count: 0, lastMs: 0 } },
      trustedNowMs: FRIDAY_EVENING_MS,
    },
    false,
  );
  assert.ok(decision.kind === 'denied' && decision.code === 'not_permitted');
  return decision.retryAfterMs;
}

test('out of hours it is told when those of the site and of the directory both let the user in again', () => {
  assert.equal(waitMs({ hours: days }), 60 * HOUR_MS);
  const bytes = new Uint8Array(WEEK_HOURS_BYTES);
  // Monday from 9 to 10.
  bytes[(24 + 9) >> 3] = 1 << ((24 + 9) & 7);
  const directoryHours = weekHours(bytes);
  assert.equal(waitMs({ directoryHours }), 62 * HOUR_MS);
  assert.equal(waitMs({ hours: days, directoryHours }), 62 * HOUR_MS);
  const never = { ...days, times: [] };
  assert.equal(waitMs({ hours: never, directoryHours }), undefined);
  const evenings: LoginHours = { timeZone: 'UTC', times: [{ days: ['monday'], from: '18:00', to: '20:00' }] };
  assert.equal(waitMs({ hours: evenings, directoryHours }), undefined, 'at no time that is told here');
});
