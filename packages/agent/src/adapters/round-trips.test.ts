import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRoundTrips } from './round-trips.ts';

test('a round trip is known from its first sample on, for each server by itself', () => {
  const trips = createRoundTrips();
  assert.equal(trips.of('primary'), undefined);
  trips.add('primary', 12);
  assert.equal(trips.of('primary'), 12);
  assert.equal(trips.of('secondary'), undefined);
});

test('a wire that becomes slow is believed after one sample; one that becomes fast after several', () => {
  const trips = createRoundTrips();
  for (const sample of [10, 350]) trips.add('primary', sample);
  // The hedge is three of them: the next login already waits for longer than such a round trip takes.
  assert.equal(trips.of('primary'), 180);
  trips.add('primary', 20);
  assert.equal(trips.of('primary'), 160);
});
