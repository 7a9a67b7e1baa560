import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { JOURNAL_LIMIT_BYTES } from '@thinman/protocol';
import { createTrust, statementOf, statementServer } from '../../../../test/support/trust.ts';
import { servingState } from '../core/serving-state.ts';
import type { SiteRow } from '../ports.ts';
import { NEWEST_READABLE_SCHEMA } from '../record/schema.ts';
import type { SyncCondition } from '../replica/sync.ts';
import { isRemoved, journalLimitBytes, monitoredFacts, servingLimits, syncIntervalMs } from './monitored-facts.ts';

describe('the numbers of the site', () => {
  it('have their defaults', () => {
    assert.deepEqual(servingLimits({}), { databaseLostAfterMs: 3_000, lagLimitMs: 30_000 });
    assert.equal(syncIntervalMs({}), 500);
    assert.equal(journalLimitBytes({}), JOURNAL_LIMIT_BYTES);
  });

  it('are what the site settings say', () => {
    const server = { databaseLostAfterMs: 20_000, lagLimitMs: 7, syncIntervalMs: 9_000, journalLimitBytes: 2 ** 20 };
    assert.deepEqual(servingLimits({ server }), { databaseLostAfterMs: 20_000, lagLimitMs: 7 });
    assert.equal(syncIntervalMs({ server }), 9_000);
    assert.equal(journalLimitBytes({ server }), 2 ** 20);
  });

  it('a poll that is slower than a loss would look like one: it is made twice as fast as that', () => {
    assert.equal(syncIntervalMs({ server: { syncIntervalMs: 60_000 } }), 1_500);
    assert.equal(syncIntervalMs({ server: { syncIntervalMs: 60_000, databaseLostAfterMs: 10_000 } }), 5_000);
  });
});

const replica = { site: () => undefined };
const condition = { reachable: true, forked: false, error: undefined, lastAnsweredMonotonicMs: 1 };

test('a database of another site is told apart from one that is gone, and from one that has forked', () => {
  const facts = (code: string) => {
    const error = { code, message: 'words' };
    const unusable = { ...condition, reachable: false, error };
    const { otherSite, forked } = monitoredFacts(
      { removed: false, superseded: false, contested: false },
      replica,
      unusable,
      true,
    );
    return { otherSite, forked };
  };
  assert.deepEqual(facts('other_site'), { otherSite: true, forked: false });
  assert.deepEqual(facts('unreachable'), { otherSite: false, forked: false });
});

describe('a server is removed', () => {
  for (const [what, keyHashes, expected, wrappingKey = 'AA'] of [
    ['not while the newest statement lists its key', ['mine', 'other'], false],
    ['when the newest statement lists others alone', ['other'], true],
    ['when another server has come under its name', ['newcomer'], true],
    ['when it was restored on another host, which has its TLS key and not its wrapping key', ['mine'], true, 'BB'],
  ] as const) {
    it(what, async () => {
      const trust = await createTrust();
      const servers = keyHashes.map(keyHash => statementServer('https://127.0.0.1:1', keyHash, 'secondary'));
      const statement = statementOf(trust, servers);
      const removed = isRemoved({ keyHash: 'mine', wrappingKey }, { statement, signed: trust.sign(statement) });
      assert.equal(
        monitoredFacts({ removed, superseded: false, contested: false }, replica, condition, true).removed,
        expected,
      );
    });
  }
});

describe('what a read of the database says of the server', () => {
  const itself = { removed: false, superseded: false, contested: false };
  const ready = { site: () => ({ schema: NEWEST_READABLE_SCHEMA }) as SiteRow };
  const why = (read: Partial<SyncCondition>) =>
    servingState({
      ...monitoredFacts(itself, ready, { ...condition, ...read }, true),
      ...{ nowMs: 2, draining: false, lagMs: 0 },
    }).why;

  for (const [what, read, expected] of [
    ['nothing is wrong', {}, null],
    [
      'the replica did not take it: this server is at fault, the database is well',
      { error: { code: 'replica_failed', message: 'disk full' } },
      'replica_failed',
    ],
    [
      'the database does not answer, and has not for long',
      { reachable: false, error: { code: 'unreachable', message: 'no answer' }, lastAnsweredMonotonicMs: -10_000 },
      'database_lost',
    ],
  ] as const) {
    it(what, () => assert.equal(why(read), expected));
  }
});
