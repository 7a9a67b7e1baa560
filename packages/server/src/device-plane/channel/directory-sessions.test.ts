import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AppliedChange, StoredObject } from '../../ports.ts';
import { type Connection, newConnection } from './connection.ts';
import { directorySessions, isSaidAgainst } from './directory-sessions.ts';
import { autologinIn, kiosksOf } from './kiosks.ts';

/** UUIDs of version 5 and 7: of a directory's user, and of a login at this moment. */
const [OF_DIRECTORY, OF_OBJECT] = ['0b6a1f5e-6c3f-5f3e-9a44-6f1d2c3b4a59', '0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59'];
const NOW_MS = Date.parse('2027-01-31T12:00:00Z');
const loginAt = (atMs: number) => {
  const hex = atMs.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000001`;
};

const user = (name: string, body: object = {}, system: object = {}): StoredObject => {
  return {
    kind: 'User',
    name,
    uid: OF_OBJECT,
    generation: 1,
    body: { ...body },
    system: { ...system },
    deleted: false,
  };
};
const device: StoredObject = { ...user('tc-1'), kind: 'Device' };
const changeOf = (...objects: readonly StoredObject[]): AppliedChange => {
  return { version: { epoch: 1, generation: 1 }, full: false, objects };
};
function at(more: Partial<Connection>): Connection {
  const socket = { send() {}, close() {}, terminate() {} };
  return Object.assign(newConnection(device, socket, 0), { greeted: true, sessionLogin: loginAt(NOW_MS), ...more });
}

const directories = {
  claims: (name: string) => (/lab/i.test(name) ? ('by_domain' as const) : ('none' as const)),
  keysOf: (name: string): [string] => [name.toLowerCase().replace(/^lab\\(.*)$/, '$1@lab.test')],
};
const knowing = (names: Readonly<Record<string, string>> = {}) => {
  return { accounts: { nameOf: (id: string) => names[id] }, directories };
};

describe('a session of a directory’s user, of whom something is said', () => {
  const session = { sessionUser: OF_DIRECTORY, sessionName: 'LAB\\Alice' };
  const found = (change: AppliedChange, connection: Connection, known = knowing()) =>
    directorySessions(change, [connection], known).length === 1;

  test('is found by what this server knows, else by what its device calls the user', () => {
    const change = changeOf(user('alice@lab.test', { disabled: true }));
    assert.ok(found(change, at({ sessionUser: OF_DIRECTORY }), knowing({ [OF_DIRECTORY]: 'alice@lab.test' })));
    assert.ok(found(change, at(session)), 'a server that was started again knows no name');
    assert.ok(!found(change, at(session), knowing({ [OF_DIRECTORY]: 'bob@lab.test' })), 'what it knows goes before');
    assert.ok(!found(change, at({ sessionUser: OF_DIRECTORY })), 'an agent of before says no name');
    assert.ok(!found(change, at({ ...session, sessionUser: OF_OBJECT })), 'a local user hears by words');
    assert.ok(!found(change, at({ ...session, greeted: false })));
    assert.ok(
      !found(changeOf(user('alice@lab.test', {}, { credential: {} })), at(session)),
      'a local user of that name',
    );
  });

  test('comes back, and is told what was said meanwhile', () => {
    const against = (body: object, more: Partial<Connection> = {}) =>
      isSaidAgainst(at({ ...session, ...more }), {
        ...knowing(),
        replica: { get: (_kind, name) => (name === 'alice@lab.test' ? user(name, body) : undefined) },
        nowMs: NOW_MS,
      });
    assert.ok(against({ disabled: true }));
    assert.ok(against({ sessionsNotBefore: new Date(NOW_MS + 1).toISOString() }));
    assert.ok(!against({ sessionsNotBefore: new Date(NOW_MS - 1).toISOString() }), 'it began afterwards');
    assert.ok(!against({}));
    assert.ok(!against({ disabled: true }, { sessionName: 'bob@lab.test' }));
    assert.ok(!against({ disabled: true }, { sessionUser: undefined }));
  });
});

describe('a kiosk of whose account something is said', () => {
  test('is the one whose policy names it, in any form', () => {
    const lobby = at({
      autologin: autologinIn({ settings: { 'session.autologin': { user: 'lobby', password: 'x' } } }),
    });
    const ofLab = at({ autologin: 'LAB\\Kiosk' });
    const all = [lobby, ofLab, at({}), at({ autologin: 'lobby', greeted: false })];
    const kiosks = (name: string) => kiosksOf(changeOf(user(name)), all, directories);
    assert.deepEqual(kiosks('lobby'), [lobby]);
    assert.deepEqual(kiosks('kiosk@lab.test'), [ofLab]);
    assert.deepEqual(kiosks('alice'), []);
    assert.deepEqual(kiosksOf(changeOf({ ...user('lobby'), kind: 'Policy' }), all, directories), []);
    assert.equal(autologinIn({ settings: {} }), undefined);
  });
});
