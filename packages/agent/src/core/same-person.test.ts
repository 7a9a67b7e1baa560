import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { maySamePerson } from './same-person.ts';

const lab = { directorySuffixes: ['lab.test'], directoryPlainNames: true };

describe('two typed names may mean one person', () => {
  test('in every form of a directory that the statement names', () => {
    const forms = ['alice@lab.test', 'LAB\\alice', 'lab.test\\Alice', 'ALICE@LAB.TEST', 'alice', 'Alice'];
    for (const one of forms) for (const other of forms) assert.ok(maySamePerson(one, other, lab), `${one} ${other}`);
    assert.ok(maySamePerson('Jose\u0301@lab.test', 'jos\u00e9@lab.test', lab));
  });

  test('and not where the person, the domain, or the kind of name is another', () => {
    for (const other of ['bob@lab.test', 'alice@other.test', 'OTHER\\alice', 'lab@alice'])
      assert.ok(!maySamePerson('alice@lab.test', other, lab), other);
    const two = { ...lab, directorySuffixes: ['lab.test', 'school.test'] };
    assert.ok(!maySamePerson('alice@lab.test', 'alice@school.test', two));
    assert.ok(maySamePerson('alice', 'alice@school.test', two));
    assert.ok(!maySamePerson('alice', 'alice@lab.test', { directorySuffixes: ['lab.test'] }), 'no plain names');
  });

  test('local names are what they are', () => {
    const none = { directorySuffixes: [] };
    assert.ok(maySamePerson('lobby', 'lobby', none));
    for (const other of ['Lobby', 'lobby@lab.test', 'LAB\\lobby'])
      assert.ok(!maySamePerson('lobby', other, none), other);
  });
});
