import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_KDF, DEFAULT_OFFLINE_RULES, type LoginGranted, type UserBundle } from '@thinman/protocol';
import type { BaseKey, CachedLogin } from '../ports.ts';
import type { Context } from './context.ts';
import { createKeyring } from './keyring.ts';
import { createLateRows } from './late-rows.ts';

const GRANTED = { subject: { epoch: 0, generation: 0 }, credentialVersion: 0, serverTime: 1 } as LoginGranted;
const bundleOf = (user: string, generation = 1): UserBundle => ({
  version: { epoch: 1, generation },
  etag: `${user}-${generation}`,
  user: { id: `id of ${user}`, name: user, displayName: null, groups: [] },
  settings: {},
  profile: { connections: [] },
  offline: DEFAULT_OFFLINE_RULES,
});

function make() {
  const derivations: { readonly password: string; end(): Promise<void>; fail(): Promise<void> }[] = [];
  const saved: CachedLogin[] = [];
  const cleared: string[] = [];
  const defects: unknown[] = [];
  const hasher = {
    derive(password: string): Promise<BaseKey> {
      const { promise, resolve, reject } = Promise.withResolvers<BaseKey>();
      const key = { keysFor: () => assert.fail('no keys here'), dispose: () => void cleared.push(password) };
      const settle = async (work: () => void) => {
        work();
        await new Promise(setImmediate);
      };
      derivations.push({
        password,
        end: () => settle(() => resolve(key)),
        fail: () => settle(() => reject(new Error('no memory'))),
      });
      return promise;
    },
  };
  const keyring = createKeyring(hasher);
  const cache = {
    commitLogin: ({ save }: { save?: CachedLogin }) => void (save && saved.push(save)),
    cachedUsers: () => saved,
  };
  let ids = 0;
  const late = createLateRows(
    {
      ...{ hasher, keyring, cache: cache as unknown as Context['cache'] },
      uuid: () => `${++ids}`.padStart(32, '0'),
      defect: error => void defects.push(error),
    },
    ({ user, salt, kdf }, bundle, facts) => {
      const { version: bundleVersion, etag: bundleEtag, offline } = bundle;
      const sealed = Buffer.from(user);
      return { user, userId: bundle.user.id, salt, kdf, bundleVersion, bundleEtag, offline, sealed, ...facts };
    },
    () => {},
  );
  const grant = (loginId: string, user: string, password = `password of ${user}`, bundle = bundleOf(user)) => {
    const secrets = keyring.open(loginId, user, password, 0);
    late.add(secrets, GRANTED, bundle, DEFAULT_KDF);
    keyring.forgetPassword(loginId);
    return secrets;
  };
  return { late, keyring, grant, derivations, saved, cleared, defects };
}

test('one derivation runs at a time, and each ends in its own row', async () => {
  const { grant, derivations, saved } = make();
  for (const user of ['eve', 'dan', 'ida']) grant(`login of ${user}`, user);
  for (let at = 0; at < 3; at += 1) {
    assert.equal(derivations.length, at + 1);
    await derivations[at]?.end();
  }
  assert.deepEqual(
    saved.map(({ user }) => user),
    ['eve', 'dan', 'ida'],
  );
});

test('at most eight wait, however many log in: the oldest whose derivation has not begun gives way', async () => {
  const { grant, derivations, saved } = make();
  for (let at = 0; at < 12; at += 1) grant(`l-${at}`, `u${at}`);
  for (let at = 0; at < derivations.length; at += 1) await derivations[at]?.end();
  assert.deepEqual(
    saved.map(({ user }) => user),
    ['u0', ...Array.from({ length: 7 }, (_, at) => `u${at + 5}`)],
  );
  assert.equal(derivations.length, saved.length, 'each derivation ended in a row');
});

test('a key is kept for the session that is open still, else cleared', async () => {
  const { keyring, grant, derivations, cleared } = make();
  const open = grant('l-1', 'eve');
  grant('l-2', 'dan');
  keyring.forget('l-2');
  for (let at = 0; at < 2; at += 1) await derivations[at]?.end();
  assert.deepEqual(cleared, ['password of dan']);
  assert.equal(open.ready.size, 1);
  assert.equal(open.cached?.user, 'eve');
  keyring.forget('l-1');
  await new Promise(setImmediate);
  assert.deepEqual(cleared, ['password of dan', 'password of eve']);
});

test('a newer bundle of the session goes into the row that waits; an older one does not', async () => {
  const { late, grant, derivations, saved } = make();
  const secrets = grant('l-1', 'eve', undefined, bundleOf('eve', 5));
  assert.equal(late.renew(secrets, bundleOf('eve', 4)), false);
  assert.equal(late.renew(secrets, bundleOf('eve', 6)), true);
  await derivations[0]?.end();
  assert.deepEqual(saved[0]?.bundleVersion, { epoch: 1, generation: 6 });
  assert.equal(late.renew(secrets, bundleOf('eve', 7)), false, 'it is on the disk');
});

test('what fails or was forbidden meanwhile leaves no row, and the next one its turn', async () => {
  const { late, grant, derivations, saved, cleared, defects } = make();
  for (const user of ['eve', 'dan', 'ida']) grant(`login of ${user}`, user);
  await derivations[0]?.fail();
  late.drop('id of dan');
  await derivations[1]?.end();
  await derivations[2]?.end();
  assert.deepEqual(
    saved.map(({ user }) => user),
    ['ida'],
  );
  assert.equal(defects.length, 1);
  assert.deepEqual(cleared, ['password of dan']);
});

test('of an excluded group the session has its key, and the disk nothing', async () => {
  const { grant, derivations, saved } = make();
  const bundle = bundleOf('eve');
  const open = grant('l-1', 'eve', 'a password', { ...bundle, offline: { ...bundle.offline, keep: false } });
  await derivations[0]?.end();
  assert.deepEqual(saved, []);
  assert.equal(open.cached?.user, 'eve');
});

test('of users who were forgotten meanwhile the open session has its key, and the disk nothing', async () => {
  const { late, keyring, grant, derivations, saved, cleared } = make();
  const open = grant('l-1', 'eve');
  grant('l-2', 'dan');
  keyring.forget('l-2');
  late.forgetAll();
  for (let at = 0; at < 2; at += 1) await derivations[at]?.end();
  assert.deepEqual(saved, []);
  assert.equal(open.cached?.user, 'eve');
  assert.equal(open.ready.size, 1);
  assert.deepEqual(cleared, ['password of dan']);
});

test('a key that the login itself was deriving is that of the row: nothing is derived twice, and what is dropped is cleared', async () => {
  const { late, keyring, grant, derivations, saved, cleared } = make();
  const begin = (loginId: string, user: string) => {
    const secrets = keyring.open(loginId, user, `password of ${user}`, 0);
    const own = keyring.derive(secrets, `salt of ${user}`, DEFAULT_KDF);
    late.add(secrets, GRANTED, bundleOf(user), DEFAULT_KDF);
    keyring.forgetPassword(loginId);
    return { secrets, own };
  };
  const eve = begin('l-1', 'eve');
  const dan = begin('l-2', 'dan');
  grant('l-3', 'ida');
  assert.equal(derivations.length, 2);
  // Of a session that has ended the row is written all the same.
  keyring.forget('l-2');
  await derivations[1]?.end();
  assert.deepEqual(saved, []);
  await derivations[0]?.end();
  assert.deepEqual(
    saved.map(({ user, salt }) => [user, salt]),
    [
      ['eve', 'salt of eve'],
      ['dan', 'salt of dan'],
    ],
  );
  assert.deepEqual([await eve.own, await dan.own], [undefined, undefined], 'it is the login’s no more');
  assert.ok(eve.secrets.ready.has('salt of eve'), 'and comes back with the row');
  assert.deepEqual(cleared, ['password of dan']);
  assert.equal(derivations.length, 3, 'the next one is derived in its turn');

  const { own } = begin('l-4', 'tom');
  late.drop('id of tom');
  await derivations[3]?.end();
  assert.equal(await own, undefined);
  assert.deepEqual(cleared, ['password of dan', 'password of tom']);
});

test('a key of another cost is no key of this row', async () => {
  const { late, keyring, derivations } = make();
  const secrets = keyring.open('l-1', 'eve', 'a password', 0);
  void keyring.derive(secrets, 'S1', { ...DEFAULT_KDF, passes: 3 });
  late.add(secrets, GRANTED, bundleOf('eve'), DEFAULT_KDF);
  assert.equal(derivations.length, 2);
});
