import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeUnchanged, withDetail } from './words.ts';

test('a refusal and its detail are one sentence', () => {
  const refusal = { changed: false, user: 'anna', reason: 'password_refused', detail: 'it is the old one' } as const;
  assert.equal(
    describeUnchanged(refusal),
    'not changed: The new password is not accepted: it is the old one. (password_refused)',
  );
  assert.equal(withDetail('It is over.', undefined), 'It is over.');
});
