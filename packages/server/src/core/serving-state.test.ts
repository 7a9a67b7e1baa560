import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { heard, lagMs, NO_LAG, reached, restoredLag } from './lag.ts';
import { canServeLogin, type ServingFacts, servingState } from './serving-state.ts';

const state = (over: Partial<ServingFacts> = {}) =>
  servingState({
    nowMs: 100_000,
    draining: false,
    removed: false,
    replica: 'ready',
    canRecordEvents: true,
    databaseAnsweredAtMs: 99_500,
    superseded: false,
    contested: false,
    forked: false,
    otherSite: false,
    replicaFailed: false,
    lagMs: 0,
    ...over,
  });
const at = (generation: number, epoch = 1) => ({ epoch, generation });

describe('what a server is', () => {
  test('serving while its source of record answered within the last three seconds', () => {
    assert.deepEqual(state({ databaseAnsweredAtMs: 97_000 }), { state: 'serving', why: null });
    assert.deepEqual(state({ databaseAnsweredAtMs: 96_999 }), { state: 'degraded', why: 'database_lost' });
  });
  test('degraded when it has a replica but has not met its database since the start', () => {
    assert.deepEqual(state({ databaseAnsweredAtMs: undefined }), { state: 'degraded', why: 'database_lost' });
  });
  test('degraded when its database lacks what the replica rests on', () => {
    assert.deepEqual(state({ forked: true }), { state: 'degraded', why: 'forked' });
  });
  test('degraded when its database is that of another site, whatever else is known of it', () => {
    assert.deepEqual(state({ otherSite: true, databaseAnsweredAtMs: undefined }), {
      state: 'degraded',
      why: 'other_site',
    });
  });
  test('degraded when its replica does not take what the database says: that is its own disk, and not the database', () => {
    assert.deepEqual(state({ replicaFailed: true }), { state: 'degraded', why: 'replica_failed' });
  });
  test('degraded only when it lags longer than thirty seconds', () => {
    assert.equal(state({ lagMs: 30_000 }).state, 'serving');
    assert.deepEqual(state({ lagMs: 30_001 }), { state: 'degraded', why: 'lagging' });
  });
  test('unavailable without a replica, with one of a newer schema, or when it cannot keep events', () => {
    assert.deepEqual(state({ replica: 'missing' }), { state: 'unavailable', why: 'no_replica' });
    assert.deepEqual(state({ replica: 'too_new' }), { state: 'unavailable', why: 'schema_too_new' });
    assert.deepEqual(state({ canRecordEvents: false }), { state: 'unavailable', why: 'cannot_record_events' });
  });
  test('unavailable when the site no longer lists it, however well it could serve', () => {
    assert.deepEqual(state({ removed: true }), { state: 'unavailable', why: 'removed' });
  });
  test('draining beats everything', () => {
    assert.deepEqual(state({ draining: true, replica: 'missing' }), { state: 'draining', why: 'draining' });
  });
  test('serves logins when serving or degraded', () => {
    assert.deepEqual((['serving', 'degraded', 'draining', 'unavailable'] as const).map(canServeLogin), [
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('of several things that are wrong, the worst is told', () => {
  const wrong: readonly (readonly [why: string, state: string, facts: Partial<ServingFacts>])[] = [
    ['draining', 'draining', { draining: true }],
    ['removed', 'unavailable', { removed: true }],
    ['no_replica', 'unavailable', { replica: 'missing' }],
    ['cannot_record_events', 'unavailable', { canRecordEvents: false }],
    ['superseded', 'degraded', { superseded: true }],
    ['other_site', 'degraded', { otherSite: true }],
    ['contested', 'degraded', { contested: true }],
    ['forked', 'degraded', { forked: true }],
    ['database_lost', 'degraded', { databaseAnsweredAtMs: undefined }],
    ['replica_failed', 'degraded', { replicaFailed: true }],
    ['lagging', 'degraded', { lagMs: 40_000 }],
  ];
  for (const [at, [why, expected]] of wrong.entries()) {
    test(`${why} goes before ${
      wrong
        .slice(at + 1)
        .map(([less]) => less)
        .join(', ') || 'nothing'
    }`, () => {
      // Every set of the lesser ones together with this one.
      const lesser = wrong.slice(at + 1);
      for (let set = 0; set < 2 ** lesser.length; set++) {
        const facts = lesser.filter((_, bit) => set & (1 << bit)).map(([, , over]) => over);
        assert.deepEqual(state(Object.assign({}, ...facts, wrong[at]?.[2])), { state: expected, why });
      }
    });
  }
});

describe('lag', () => {
  test('a server that lacks nothing it has heard of has none, however long ago it heard', () => {
    const lag = reached(heard(NO_LAG, at(7), at(6), 1_000), at(7));
    assert.equal(lagMs(lag, 1_000_000), 0);
    assert.equal(heard(NO_LAG, at(6), at(6), 0), NO_LAG);
  });
  test('counts from when it first heard of the oldest generation that it lacks', () => {
    let lag = heard(NO_LAG, at(7), at(6), 1_000);
    lag = heard(lag, at(8), at(6), 5_000);
    lag = heard(lag, at(8), at(6), 9_000);
    assert.equal(lagMs(lag, 11_000), 10_000);
    assert.equal(lagMs(reached(lag, at(7)), 11_000), 6_000);
  });
  test('a higher epoch is lacked whatever its generation', () => {
    assert.equal(lagMs(heard(NO_LAG, at(1, 2), at(900, 1), 0), 500), 500);
  });
  test('stays while the Primary says nothing more', () => {
    const lag = heard(NO_LAG, at(7), at(6), 0);
    assert.equal(state({ lagMs: lagMs(lag, 31_000) }).why, 'lagging');
    assert.equal(state({ lagMs: lagMs(lag, 3_100_000) }).why, 'lagging');
  });
  test('many commits a second are kept in few entries, timed by the earliest', () => {
    let lag = NO_LAG;
    for (let i = 0; i < 100_000; i++) lag = heard(lag, at(i + 1), at(0), i * 100);
    assert.ok(lag.lacking.length <= 1_024);
    assert.equal(lagMs(lag, 10_000_000), 10_000_000);
    assert.equal(lagMs(reached(lag, at(100_000)), 10_000_000), 0);
    assert.ok(lagMs(reached(lag, at(99_999)), 10_000_000) > 0);
  });
  test('a restart does not make a lagging server serving', () => {
    const lag = restoredLag(at(7), at(6), 50, 30_000);
    assert.equal(state({ lagMs: lagMs(lag, 50) }).why, 'lagging');
    assert.equal(state({ lagMs: lagMs(reached(lag, at(7)), 60) }).state, 'serving');
    assert.equal(restoredLag(at(6), at(6), 50, 30_000), NO_LAG);
  });
});
