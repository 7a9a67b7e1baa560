import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRORS, ONE_REQUEST_ONLY, problem, scopeOf } from './errors.ts';

test('every answer that failover.md gives to `verdict` is final, and to `server` goes on', () => {
  const verdicts = Object.entries(ERRORS).filter(([, entry]) => entry.scope === 'verdict');
  assert.deepEqual(verdicts.map(([code]) => code).sort(), [
    'account_disabled',
    'account_expired',
    'account_locked',
    'credentials_invalid',
    'device_revoked',
    'not_permitted',
    'password_expired',
    'too_many_sessions',
  ]);
  for (const code of ONE_REQUEST_ONLY) assert.equal(ERRORS[code].scope, 'server');
});

test('an answer that is none of ours is judged by its status', () => {
  assert.equal(scopeOf('blank', 502), 'server');
  assert.equal(scopeOf('blank', 504), 'server');
  assert.equal(scopeOf('blank', 400), 'request');
  assert.equal(scopeOf('blank', 429), 'request');
  assert.equal(scopeOf('blank', 401), 'server');
});

test('a problem document has the status of its code', () => {
  assert.deepEqual(problem('credentials_invalid', { serverTime: 5 }), {
    type: 'urn:thinman:error:credentials_invalid',
    title: 'The user name or the password is wrong.',
    status: 401,
    code: 'credentials_invalid',
    serverTime: 5,
  });
});
