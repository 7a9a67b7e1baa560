import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldName, otherNames } from './held-names.ts';

const held = (user: string, names?: readonly string[]) => ({
  ...{ user, method: 'password' as const },
  ...(names !== undefined && { names }),
});

test('a row is found by every name with a domain for which a server has taken its user', () => {
  const before = held('LAB\\alice', ['alice@old.test']);
  const row = held('alice@lab.test');
  const names = otherNames(row, [before]);
  assert.deepEqual(names, ['LAB\\alice', 'alice@old.test']);
  for (const typed of ['lab\\Alice', 'alice@old.test', 'ALICE@lab.test']) {
    assert.equal(heldName(typed, [{ ...row, names }]), 'alice@lab.test', typed);
  }
  assert.equal(heldName('LAB\\bob', [{ ...row, names }]), undefined);
});

test('a plain name is found only as it is: a local user may get it', () => {
  const names = otherNames(held('alice@lab.test'), [held('alice')]);
  assert.deepEqual(names, []);
});

test('a name that two rows have is of neither', () => {
  const rows = [held('a@lab.test', ['LAB\\a']), held('a@x.test', ['lab\\a'])];
  assert.equal(heldName('LAB\\a', rows), undefined);
});

test('no more are kept than anybody has, and the newest of them', () => {
  const before = Array.from({ length: 20 }, (_, at) => held(`a@${at}.test`));
  const names = otherNames(held('a@lab.test'), before);
  assert.deepEqual([names.length, names[0]], [8, 'a@0.test']);
});

test('a local user is who is typed: another case may be another user', () => {
  const local = { user: 'alice@x', method: 'derived' } as const;
  assert.equal(heldName('Alice@x', [local]), undefined);
  assert.deepEqual(otherNames(local, [held('LAB\\alice')]), []);
});
