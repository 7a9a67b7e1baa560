import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { passwordAge } from './account.ts';

const DAY_MS = 24 * 60 * 60_000;
const EXPIRES = '2027-01-31T12:00:00Z';
const EXPIRES_MS = Date.parse(EXPIRES);
const ageAt = (sinceMs: number, primaryReachable: boolean) =>
  passwordAge({ passwordExpiresAt: EXPIRES }, EXPIRES_MS + sinceMs, primaryReachable);
const CHANGE_LATER = 'The password expired on 2027-01-31; it must be changed when the Primary is back.';

describe('an expired password', () => {
  test('is refused at once where the Primary is there to change it', () => {
    assert.deepEqual(ageAt(0, true), { kind: 'expired' });
  });

  test('is granted with a warning for 7 days while no Primary is reachable', () => {
    assert.deepEqual(ageAt(0, false), { kind: 'ok', warning: CHANGE_LATER });
    assert.deepEqual(ageAt(7 * DAY_MS, false), { kind: 'ok', warning: CHANGE_LATER });
  });

  test('is refused after these 7 days, Primary or not', () => {
    assert.deepEqual(ageAt(7 * DAY_MS + 1, false), { kind: 'expired' });
  });
});

test('a password is told of for a week before it expires', () => {
  assert.deepEqual(ageAt(-7 * DAY_MS - 1, true), { kind: 'ok' });
  assert.deepEqual(ageAt(-7 * DAY_MS, true), { kind: 'ok', warning: 'The password expires on 2027-01-31.' });
  assert.deepEqual(ageAt(-1, false), { kind: 'ok', warning: 'The password expires on 2027-01-31.' });
  assert.deepEqual(passwordAge({}, EXPIRES_MS, true), { kind: 'ok' });
});
