import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { FailureFact } from '../ports.ts';
import { DEFAULT_LOCKOUT_LIMITS, decideLockout, type LockoutFacts } from './lockout.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = 1_800_000_000_000;

let serial = 0;
function failure(over: Partial<FailureFact> = {}): FailureFact {
  serial++;
  return {
    loginId: `l${serial}`,
    deviceId: 'tc-1',
    user: 'alice',
    sentHash: `h${serial}`,
    atMs: NOW - MINUTE / 2,
    ...over,
  };
}

function ask(over: Partial<LockoutFacts>) {
  return decideLockout({
    nowMs: NOW,
    deviceId: 'tc-1',
    user: 'alice',
    onDevice: [],
    ofUser: [],
    askedNames: [],
    lastGrantMs: undefined,
    unlockedAtMs: undefined,
    ...over,
  });
}
const times = (count: number, make: (index: number) => FailureFact) => Array.from({ length: count }, (_, i) => make(i));

describe('lockout of a user on a device', () => {
  test('four failures leave it open, the fifth locks for a minute from then', () => {
    assert.deepEqual(ask({ onDevice: times(4, () => failure()) }), { kind: 'open' });
    assert.deepEqual(ask({ onDevice: times(5, () => failure()) }), {
      kind: 'account_locked',
      retryAfterMs: MINUTE / 2,
    });
  });
  test('every further failure doubles the wait, up to an hour', () => {
    const waitAfter = (count: number) => ask({ onDevice: times(count, () => failure({ atMs: NOW })) });
    assert.deepEqual(waitAfter(7), { kind: 'account_locked', retryAfterMs: 4 * MINUTE });
    assert.deepEqual(waitAfter(20), { kind: 'account_locked', retryAfterMs: HOUR });
  });
  test('the wait ends', () => {
    assert.deepEqual(ask({ onDevice: times(5, () => failure({ atMs: NOW - MINUTE })) }), { kind: 'open' });
  });
  test('the same thing sent twice is one guess', () => {
    const same = times(9, i => failure({ sentHash: 'same', atMs: NOW - i }));
    assert.deepEqual(ask({ onDevice: same }), { kind: 'open' });
  });
  test('failures of another user on the device do not count', () => {
    assert.deepEqual(ask({ onDevice: times(9, () => failure({ user: 'bob' })) }), { kind: 'open' });
  });
  test("failures before the helpdesk's unlock, or before the last grant here, do not count", () => {
    const onDevice = times(5, () => failure());
    assert.deepEqual(ask({ onDevice, unlockedAtMs: NOW - 1 }), { kind: 'open' });
    assert.deepEqual(ask({ onDevice, lastGrantMs: NOW - 1 }), { kind: 'open' });
    assert.equal(ask({ onDevice, unlockedAtMs: NOW - HOUR }).kind, 'account_locked');
  });
  test('failures from the future (a clock that went back) make nobody wait longer than fresh ones', () => {
    const onDevice = times(5, () => failure({ atMs: NOW + 24 * HOUR }));
    assert.deepEqual(ask({ onDevice }), { kind: 'account_locked', retryAfterMs: MINUTE });
  });
});

describe('lockout of a device', () => {
  test('thirty failures in an hour stop it, whoever logs in, until the first has left the hour', () => {
    const onDevice = times(30, i => failure({ user: `u${i % 10}`, atMs: NOW - 30 * MINUTE + i }));
    assert.deepEqual(ask({ onDevice, user: 'u1' }), { kind: 'too_many_attempts', retryAfterMs: 30 * MINUTE });
    assert.deepEqual(ask({ onDevice: onDevice.slice(1), user: 'carol' }), { kind: 'open' });
  });
  test('twenty different names stop it for any further name; known ones may go on', () => {
    const askedNames = Array.from({ length: 20 }, (_, i) => ({ user: `u${i}`, atMs: NOW - MINUTE }));
    assert.deepEqual(ask({ askedNames }), { kind: 'too_many_attempts', retryAfterMs: 59 * MINUTE });
    assert.deepEqual(ask({ askedNames, user: 'u3' }), { kind: 'open' });
    assert.deepEqual(ask({ askedNames: askedNames.slice(1) }), { kind: 'open' });
  });
});

describe('lockout of a user over all devices', () => {
  const ofUser = times(50, i => failure({ deviceId: `tc-${i + 100}` }));
  test('fifty failures in an hour lock the user', () => {
    assert.equal(ask({ ofUser }).kind, 'account_locked');
    assert.deepEqual(ask({ ofUser: ofUser.slice(1) }), { kind: 'open' });
  });
  test('never on a device on which the user was granted in the last seven days', () => {
    assert.deepEqual(ask({ ofUser, lastGrantMs: NOW - 6 * 24 * HOUR }), { kind: 'open' });
    assert.equal(ask({ ofUser, lastGrantMs: NOW - 8 * 24 * HOUR }).kind, 'account_locked');
  });
});

test('the order in which facts are heard, and hearing them twice, changes nothing', () => {
  const fact = fc.record({
    loginId: fc.constant('l'),
    deviceId: fc.constantFrom('tc-1', 'tc-2'),
    user: fc.constantFrom('alice', 'bob'),
    sentHash: fc.string({ maxLength: 2 }),
    atMs: fc.integer({ min: NOW - 2 * HOUR, max: NOW + MINUTE }),
  });
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 80 }), facts => {
      const onDevice = facts.filter(({ deviceId }) => deviceId === 'tc-1');
      const ofUser = facts.filter(({ user }) => user === 'alice');
      const once = ask({ onDevice, ofUser });
      assert.deepEqual(ask({ onDevice: [...onDevice, ...onDevice].reverse(), ofUser: [...ofUser].reverse() }), once);
      if (once.kind !== 'open') {
        assert.ok(once.retryAfterMs > 0 && once.retryAfterMs <= DEFAULT_LOCKOUT_LIMITS.longestWaitMs);
      }
    }),
  );
});
