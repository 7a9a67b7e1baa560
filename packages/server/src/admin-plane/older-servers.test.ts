import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecondaryStatus } from '@thinman/protocol';
import { isOlder, olderServers } from './older-servers.ts';

const secondary = (name: string, version?: string): SecondaryStatus => ({
  ...{ name, linked: true, state: 'serving', epoch: 1, generation: 1, lagMs: 0, journalPending: 0 },
  ...(version !== undefined && { version }),
  missing: { count: 0, objects: [] },
});
const changed = (kind: string, change: 'updated' | 'unchanged' = 'updated') => [{ kind, name: 'n', change }];

test('a change that devices may see is told of while a Secondary is older, and only then', () => {
  const secondaries = [secondary('b', '1.2.0'), secondary('c', '1.10.0'), secondary('d'), secondary('e', '2.0.0')];
  const report = { version: '1.10.0', secondaries };
  const [warning, ...others] = olderServers(report, changed('Assignment'));
  assert.match(warning ?? '', /^the Secondary "b" runs 1\.2\.0, older than 1\.10\.0 here: .*; update it first$/);
  assert.deepEqual(others, []);
  assert.deepEqual(olderServers(report, changed('Assignment', 'unchanged')), []);
  assert.deepEqual(olderServers(report, changed('User')), []);
  assert.deepEqual(olderServers({ version: '1.0.0' }, changed('Policy')), []);
});

test('versions are compared by number', () => {
  for (const [one, other, expected] of [
    ['0.9.9', '0.10.0', true],
    ['1.0.0', '1.0.0', false],
    ['1.0.1', '1.0.0', false],
    ['1.0', '1.0.1', true],
    ['1.0.0-rc.1', '1.0.0', false],
  ] as const) {
    assert.equal(isOlder(one, other), expected, `${one} ${other}`);
  }
});
