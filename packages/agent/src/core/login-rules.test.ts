import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_KDF } from '@thinman/protocol';
import { mayAskPassword } from './login-rules.ts';
import type { Login } from './state.ts';

const login = (user: string, method?: 'derived' | 'password'): Login => ({
  ...{ loginId: 'login-1', user, startedAt: 0, deadlineAt: 4_000, stage: { kind: 'asking' } },
  ...{ method: { kind: 'unknown' }, keys: { kind: 'none' }, subject: undefined, lanes: [] },
  ...{ row: 'untried', saltChanged: false, lacksServer: false },
  cached:
    method === undefined
      ? undefined
      : { userId: 'id-1', method, salt: 'A'.repeat(22), kdf: DEFAULT_KDF, credentialVersion: 1 },
});

test('the password itself is given for the names of a directory that the statement names, and for no others', () => {
  for (const user of ['eve@lab.test', 'Eve@LAB.test', 'LAB\\eve', 'lab\\eve']) {
    assert.ok(mayAskPassword(login(user), { directorySuffixes: ['lab.test'] }), user);
    assert.ok(!mayAskPassword(login(user), { directorySuffixes: [] }), user);
  }
  for (const user of ['eve', 'eve@lab.test.example', 'eve@notlab.test', 'LABS\\eve', 'lab.test']) {
    assert.ok(!mayAskPassword(login(user), { directorySuffixes: ['lab.test'] }), user);
  }
});

test('never for a user who logs in by proof here, whatever the name', () => {
  assert.ok(!mayAskPassword(login('eve@lab.test', 'derived'), { directorySuffixes: ['lab.test'] }));
  assert.ok(mayAskPassword(login('eve@lab.test', 'password'), { directorySuffixes: ['lab.test'] }));
});

test('for a plain name only where the statement says that a directory takes those', () => {
  const statement = { directorySuffixes: ['lab.test'] };
  assert.ok(mayAskPassword(login('eve'), { ...statement, directoryPlainNames: true }));
  assert.ok(!mayAskPassword(login('eve'), statement));
  assert.ok(!mayAskPassword(login('eve', 'derived'), { ...statement, directoryPlainNames: true }));
  for (const user of ['eve@elsewhere.test', 'OTHER\\eve']) {
    assert.ok(!mayAskPassword(login(user), { ...statement, directoryPlainNames: true }), user);
  }
});
