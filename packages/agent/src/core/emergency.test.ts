import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMERGENCY_CHALLENGE_MS, EMERGENCY_TRIES } from '@thinman/protocol';
import { countedTry, granted, isGranted, newChallenge, openChallenge, usedAt } from './emergency.ts';

const NOW = Date.UTC(2026, 10, 27);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test('a challenge is open for a quarter of an hour, and not by a clock that was set back', () => {
  const asked = newChallenge('12345678', NOW);
  assert.ok(openChallenge(asked, NOW + EMERGENCY_CHALLENGE_MS));
  assert.equal(openChallenge(asked, NOW + EMERGENCY_CHALLENGE_MS + 1), undefined);
  assert.equal(openChallenge(asked, NOW - DAY_MS), undefined);
});

test('five wrong codes end it', () => {
  let emergency = newChallenge('12345678', NOW);
  for (let n = 0; n < EMERGENCY_TRIES; n++) {
    const open = openChallenge(emergency, NOW);
    assert.ok(open, `try ${n}`);
    emergency = countedTry(open);
  }
  assert.equal(openChallenge(emergency, NOW), undefined);
});

test('a code is in force for its hours, is no challenge any more, and a clock that is set back does not lengthen it', () => {
  const given = granted(8, NOW);
  assert.equal(openChallenge(given, NOW), undefined);
  assert.ok(isGranted(given, NOW + 8 * HOUR_MS));
  assert.ok(!isGranted(given, NOW + 8 * HOUR_MS + 1));
  assert.ok(!isGranted(given, NOW - DAY_MS));
  assert.ok(!isGranted(usedAt(given, NOW + 7 * HOUR_MS), NOW));
  assert.ok(!isGranted(newChallenge('12345678', NOW), NOW));
});
