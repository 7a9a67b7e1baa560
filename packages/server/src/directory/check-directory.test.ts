import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DirectoryBody } from '@thinman/protocol';
import { checkDirectory, directoryWarnings } from './check-directory.ts';

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
  assert.deepEqual(fields({ baseDn: 'lab.test' }), ['baseDn']);
  assert.deepEqual(fields({ baseDn: '' }), []);
  assert.deepEqual(fields({ startTls: true }), ['startTls']);
  assert.deepEqual(fields({ startTls: true, urls: ['ldaps://a.test', 'ldap://b.test'] }), []);
  assert.deepEqual(fields({ urls: ['ldap://'] }), ['urls.0']);
});

test('a password that would cross the network in clear is warned of, by the server that it would go to', () => {
  const warned = (more: Partial<DirectoryBody>) => directoryWarnings('lab', { ...RIGHT, ...more }).length;
  assert.equal(warned({}), 0);
  assert.equal(warned({ urls: ['ldaps://a.test', 'ldap://b.test'] }), 1);
  assert.equal(warned({ urls: ['ldaps://a.test', 'ldap://b.test'], startTls: true }), 0);
  assert.equal(warned({ urls: ['ldap://127.0.0.1:389', 'ldap://[::1]', 'ldap://localhost'] }), 0);
  assert.match(directoryWarnings('lab', { ...RIGHT, urls: ['ldap://b.test'] })[0] ?? '', /lab.*ldap:\/\/b\.test/);
});
