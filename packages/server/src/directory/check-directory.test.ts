import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DirectoryBody } from '@thinman/protocol';
import { checkDirectory } from './check-directory.ts';

const RIGHT: DirectoryBody = { type: 'ldap', urls: ['ldaps://a.test'], baseDn: 'dc=test' };
const fields = (more: Partial<DirectoryBody>) => checkDirectory({ ...RIGHT, ...more }).map(({ field }) => field);

test('a Directory that could not be used is refused, with the field', () => {
  assert.deepEqual(fields({}), []);
  assert.deepEqual(fields({ bindDn: 'cn=a', bindPassword: { secret: 'set' } }), []);
  assert.deepEqual(fields({ userFilter: '(uid={user}' }), ['userFilter']);
  assert.deepEqual(fields({ userFilter: '(uid=alice)' }), ['userFilter']);
  assert.deepEqual(fields({ groupFilter: '(cn=*)' }), ['groupFilter']);
  assert.deepEqual(fields({ ca: 'nonsense' }), ['ca']);
  assert.deepEqual(fields({ bindDn: 'cn=a' }), ['bindPassword']);
  assert.deepEqual(fields({ bindPassword: 'its-password' }), ['bindDn']);
  assert.deepEqual(fields({ baseDn: 'lab.test' }), ['baseDn']);
  assert.deepEqual(fields({ baseDn: '' }), []);
  assert.deepEqual(fields({ startTls: true }), ['urls.0']);
  assert.deepEqual(fields({ urls: ['ldap://'] }), ['urls.0']);
});
