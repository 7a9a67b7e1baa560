import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHoldings } from './holdings.ts';

const held = (user: string, until: number) => ({ userId: `id-${user}`, user, until });
const device = (n: number) => ({ uid: `uid-${n}`, name: `tc-${n}` });

test('what a device said last is told, by device and by user', () => {
  const holdings = createHoldings();
  holdings.told(device(1), { offlineUsers: [held('alice', 10), held('bob', 20)] }, 1);
  holdings.told(device(2), { offlineUsers: [held('alice', 30)], wiped: 7 }, 2);
  assert.deepEqual(
    holdings.of('uid-1')?.users.map(({ user, until }) => [user, until]),
    [
      ['alice', 10],
      ['bob', 20],
    ],
  );
  assert.equal(holdings.of('uid-2')?.wiped, 7);
  assert.equal(holdings.of('uid-3'), undefined);
  const where = (name: string, userId?: string) => holdings.ofUser({ userId, name }, 10).map(({ device }) => device);
  assert.deepEqual(where('alice'), ['tc-1', 'tc-2']);
  assert.deepEqual(where('of another name', 'id-bob'), ['tc-1'], 'by id where the name is another one');
  assert.deepEqual(where('nobody'), []);

  holdings.told(device(1), { offlineUsers: [held('bob', 40)] }, 3);
  assert.deepEqual(where('alice'), ['tc-2']);
  holdings.forget('uid-2');
  assert.deepEqual(where('alice'), []);
});

test('an answer has a limit, and so has what is remembered: who was silent longest goes', () => {
  const holdings = createHoldings(3);
  for (const n of [1, 2, 3]) holdings.told(device(n), { offlineUsers: [held('alice', n)] }, n);
  holdings.told(device(1), { offlineUsers: [held('alice', 1)] }, 4);
  holdings.told(device(4), { offlineUsers: [held('alice', 4)] }, 5);
  assert.equal(holdings.size(), 3);
  assert.equal(holdings.of('uid-2'), undefined);
  assert.ok(holdings.of('uid-1'));
  assert.equal(holdings.ofUser({ userId: undefined, name: 'alice' }, 2).length, 2);
});
