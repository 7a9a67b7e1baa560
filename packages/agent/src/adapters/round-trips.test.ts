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
  assert.equal(trips.of('primary'), 140);
});

test('a request that met an outage does not pass for a slow wire, and is soon forgotten', () => {
  const trips = createRoundTrips();
  for (const sample of [10, 1_400]) trips.add('primary', sample);
  assert.equal(trips.of('primary'), 305);
  for (let good = 0; good < 6; good++) trips.add('primary', 10);
  assert.ok((trips.of('primary') ?? Number.NaN) < 100, 'the hedge is the default again');
});

test('a wire that is far away is believed to be, after a few samples', () => {
  const trips = createRoundTrips();
  trips.add('primary', 10);
  for (let far = 0; far < 8; far++) trips.add('primary', 1_200);
  assert.ok((trips.of('primary') ?? Number.NaN) > 1_000);
});
