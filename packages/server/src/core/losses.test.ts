import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectKind } from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';
import { describeLosses, lossOf, summarise } from './losses.ts';

function object(kind: ObjectKind, more: Partial<StoredObject> = {}): StoredObject {
  return { kind, name: 'x', uid: 'u', generation: 5, body: { a: 1 }, system: {}, deleted: false, ...more };
}

const user = object('User');
const tombstone = object('User', { body: {}, deleted: true });

test('what is there as it was is no loss, whatever commit touched it', () => {
  assert.equal(lossOf(user, { ...user, generation: 2, body: { a: 1 } }), undefined);
  assert.equal(lossOf(tombstone, tombstone), undefined);
  assert.equal(lossOf(tombstone, undefined), undefined);
});

test('an object is missing, another one, or has another password', () => {
  assert.equal(lossOf(user, undefined), 'missing');
  assert.equal(lossOf(user, tombstone), 'missing');
  assert.equal(lossOf(user, { ...user, body: { a: 2 } }), 'changed');
  assert.equal(lossOf(user, { ...user, system: { credential: {} } }), 'system');
});

test('a deletion is lost where the object is there again', () => {
  assert.equal(lossOf(tombstone, user), 'deleted');
});

test('servers are taken over, and how often a token was used is nobody\u2019s work', () => {
  assert.equal(lossOf(object('Server'), undefined), undefined);
  const token = object('EnrollmentToken', { system: { secretHash: 'h', used: 3 } });
  assert.equal(lossOf(token, { ...token, system: { secretHash: 'h', used: 1 } }), undefined);
  assert.equal(lossOf(token, { ...token, system: { secretHash: 'other', used: 3 } }), 'system');
});

test('people are told of the first ten, and how many in all', () => {
  const losses = Array.from({ length: 12 }, (_, i) => ({
    object: object('User', { name: `u${i}` }),
    loss: 'missing' as const,
  }));
  const words = describeLosses(summarise(losses));
  assert.match(words, /^12 objects: User\/u0 \(is missing\), .* and 2 more$/);
  assert.equal(describeLosses(summarise([])), 'nothing');
});
