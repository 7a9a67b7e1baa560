import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SESSION_LIFETIME_MS } from '@thinman/protocol';
import { type BookChange, createSessionBook } from './session-book.ts';

const LONG_MS = SESSION_LIFETIME_MS + 2 * 60_000;

function make() {
  let nowMs = 0;
  const connected = new Set<string>();
  const told: BookChange[] = [];
  const book = createSessionBook({
    name: 'primary',
    clock: { monotonicMs: () => nowMs },
    isConnected: deviceId => connected.has(deviceId),
    isEnded: () => false,
  });
  book.onChange(change => void told.push(change));
  const session = (device: string) => ({
    ...{ deviceId: device, device, userId: 'alice', user: 'alice', loginId: `login on ${device}` },
    ...{ mode: 'online' as const, sinceMs: 0 },
  });
  const devices = () => book.all().map(({ device }) => device);
  return { book, connected, told, session, devices, later: (ms: number) => (nowMs += ms) };
}

test('a session stays for as long as its device is connected, and a token’s life after it was last seen', () => {
  const { book, connected, session, devices, later } = make();
  connected.add('tc-1');
  book.opened(session('tc-1'), 'device');
  later(10 * LONG_MS);
  assert.deepEqual(devices(), ['tc-1']);
  connected.delete('tc-1');
  later(SESSION_LIFETIME_MS);
  assert.deepEqual(devices(), ['tc-1']);
  later(LONG_MS);
  assert.deepEqual(devices(), []);
});

test('of a device that was switched off the other servers hear: they believe this one for as long as they see it', () => {
  const { book, told, session, devices, later } = make();
  book.opened(session('tc-1'), 'device');
  later(LONG_MS);
  assert.deepEqual(devices(), []);
  assert.deepEqual(told.at(-1), { opened: [], closed: ['tc-1'], from: undefined });
});

test('what another server told is not told on as ended here', () => {
  const { book, told, session, devices, later } = make();
  book.told('secondary', [{ ...session('tc-1'), server: 'secondary' }], [], true);
  const before = told.length;
  later(LONG_MS);
  assert.deepEqual(devices(), []);
  assert.equal(told.length, before);
});

test('when a session began a server knows better than its device', () => {
  const { book, session } = make();
  const since = () => book.all().map(({ sinceMs }) => sinceMs);
  book.opened({ ...session('tc-1'), sinceMs: 1_000 }, 'grant');
  for (const sinceMs of [0, 5_000]) book.opened({ ...session('tc-1'), sinceMs }, 'device');
  assert.deepEqual(since(), [1_000]);
  // A server that has just started hears of it from the device first.
  book.opened({ ...session('tc-1'), loginId: 'another', sinceMs: 0 }, 'device');
  assert.deepEqual(since(), [0]);
  book.opened({ ...session('tc-1'), loginId: 'another', sinceMs: 7_000 }, 'refresh');
  assert.deepEqual(since(), [7_000]);
  book.opened({ ...session('tc-1'), loginId: 'another', sinceMs: 9_000 }, 'refresh');
  assert.deepEqual(since(), [7_000]);
});

test('the sessions of a user are found without looking at anybody else’s, wherever they were told', () => {
  const asked: string[] = [];
  const book = createSessionBook({
    name: 'primary',
    clock: { monotonicMs: () => 0 },
    isConnected: () => true,
    isEnded(loginId) {
      asked.push(loginId);
      return loginId === 'over';
    },
  });
  const session = (deviceId: string, userId: string, loginId: string) => ({
    ...{ deviceId, device: deviceId, userId, user: userId, loginId },
    ...{ mode: 'online' as const, sinceMs: 0 },
  });
  const ofUser = (userId: string) => book.ofUser(userId).map(({ device }) => device);
  book.opened(session('tc-1', 'alice', 'a1'), 'refresh');
  book.opened(session('tc-2', 'alice', 'over'), 'refresh');
  for (let nth = 0; nth < 100; nth++) book.opened(session(`other-${nth}`, 'bob', `b${nth}`), 'refresh');
  book.told('secondary', [{ ...session('tc-3', 'alice', 'a3'), server: 'secondary' }], [], true);
  assert.deepEqual(ofUser('alice'), ['tc-1', 'tc-3']);
  assert.deepEqual(asked, ['a1', 'over', 'a3']);
  // Somebody else works there now.
  book.opened(session('tc-1', 'bob', 'b'), 'refresh');
  assert.deepEqual(ofUser('alice'), ['tc-3']);
  assert.ok(ofUser('bob').includes('tc-1'));
  book.closed('tc-1');
  book.told('secondary', [], ['tc-3'], false);
  assert.deepEqual([ofUser('alice'), ofUser('nobody'), book.all().length], [[], [], 100]);
});

test('a login whose device never speaks of it is no session for ever, though the device is connected', () => {
  const { book, connected, session, devices, later } = make();
  connected.add('tc-1').add('tc-2');
  book.opened(session('tc-1'), 'grant');
  book.opened(session('tc-2'), 'grant');
  book.opened(session('tc-2'), 'device');
  assert.deepEqual(devices(), ['tc-1', 'tc-2']);
  later(LONG_MS);
  assert.deepEqual(devices(), ['tc-2']);
});
