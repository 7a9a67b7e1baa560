import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { FailureFact } from '../ports.ts';
import { keepInMemory } from './kept-in-memory.ts';

const fact = (more: Partial<FailureFact> = {}): FailureFact => ({
  ...{ loginId: randomUUID(), deviceId: 'd', user: 'alice', sentHash: 'h', atMs: 5 },
  ...more,
});

describe('what is kept in memory while the journal takes nothing', () => {
  it('keeps the first answer, the first telling of a failure, and the last grant, as the journal does', () => {
    const kept = keepInMemory();
    const remember = { loginId: randomUUID(), binding: 'b', outcome: 'granted', subject: { epoch: 1, generation: 1 } };
    kept.keep({ remember });
    kept.keep({ remember: { ...remember, outcome: 'other' } });
    assert.deepEqual(kept.remembered(remember.loginId), remember);
    const failure = fact();
    kept.keep({ failure });
    kept.keep({ heard: { from: 'x', failures: [{ ...failure, atMs: 9 }], grants: [] } });
    assert.deepEqual(kept.failures({ sinceMs: 0 }), [failure]);
    for (const atMs of [7, 9, 8]) kept.keep({ granted: { deviceId: 'd', user: 'alice', atMs } });
    assert.equal(kept.lastGrantMs('d', 'alice'), 9);
    assert.equal(kept.lastGrantMs('d', 'bob'), undefined);
  });

  it('finds failures as the journal does', () => {
    const kept = keepInMemory();
    const all = [fact({ atMs: 1 }), fact({ atMs: 2, user: 'bob' }), fact({ atMs: 3, deviceId: 'e' })];
    for (const failure of all) kept.keep({ failure });
    const found = (query: Parameters<typeof kept.failures>[0]) => kept.failures(query).map(({ atMs }) => atMs);
    assert.deepEqual(found({ sinceMs: 2 }), [2, 3]);
    assert.deepEqual(found({ sinceMs: 0, deviceId: 'd' }), [1, 2]);
    assert.deepEqual(found({ sinceMs: 0, user: 'alice' }), [1, 3]);
    assert.deepEqual(found({ sinceMs: 0, user: 'alice', deviceId: 'd' }), [1]);
    assert.ok(all.every(kept.knowsFailure) && !kept.knowsFailure(fact()));
  });

  it('gives the oldest first, and forgets only what did not change meanwhile', () => {
    const kept = keepInMemory();
    const failures = Array.from({ length: 5 }, () => fact());
    for (const failure of failures) kept.keep({ failure });
    kept.keep({ granted: { deviceId: 'd', user: 'alice', atMs: 1 } });
    const first = kept.oldest(2);
    assert.deepEqual(
      first.map(({ failure }) => failure),
      failures.slice(0, 2),
    );
    const all = kept.oldest(10);
    kept.keep({ granted: { deviceId: 'd', user: 'alice', atMs: 2 } });
    kept.forget(all);
    assert.deepEqual(kept.oldest(10), [{ events: [], granted: { deviceId: 'd', user: 'alice', atMs: 2 } }]);
  });

  it('is bounded: the oldest go', () => {
    const kept = keepInMemory();
    const failures = Array.from({ length: 100_001 }, (_, atMs) => fact({ atMs }));
    for (const failure of failures) kept.keep({ failure });
    const [oldest] = kept.oldest(1);
    assert.equal(oldest?.failure?.atMs, 1);
  });
});
