import assert from 'node:assert/strict';
import { argon2Sync } from 'node:crypto';
import { test } from 'node:test';
import { DEFAULT_KDF, type KdfParameters } from '@thinman/protocol';
import { argon2idOfNode, nativeArgon2id, quickestArgon2id } from './argon2.ts';

const COSTS: readonly KdfParameters[] = [
  DEFAULT_KDF,
  { algorithm: 'argon2id', memoryKib: 19 * 1024, passes: 3, lanes: 1 },
  { algorithm: 'argon2id', memoryKib: 1024, passes: 2, lanes: 4 },
];
const salt = Buffer.alloc(16, 7);

test('whichever is taken gives what Node’s own gives, at every cost and for every text', async () => {
  for (const kdf of COSTS) {
    for (const text of ['', 'a password', 'pässwörd', 'p'.repeat(512)]) {
      const [theirs, ours] = await Promise.all([
        argon2idOfNode(Buffer.from(text), salt, kdf),
        quickestArgon2id()(Buffer.from(text), salt, kdf),
      ]);
      assert.deepEqual(ours, theirs);
    }
  }
});

test('on Linux the quicker one is there', { skip: process.platform !== 'linux' }, () => {
  assert.notEqual(nativeArgon2id(), undefined);
});

test('one that cannot be loaded, or gives something else, is not taken', () => {
  assert.equal(
    nativeArgon2id(() => {
      throw new Error('wrong ELF class');
    }),
    undefined,
  );
  assert.equal(
    nativeArgon2id(() => ({})),
    undefined,
  );
  const hashRawSync = () => Buffer.alloc(32);
  assert.equal(
    nativeArgon2id(() => ({ hashRawSync, hashRaw: async () => Buffer.alloc(32) })),
    undefined,
  );
});

test('what it fails at later is derived by Node’s own', async () => {
  const hashRawSync = (message: Buffer, its: { readonly salt: Buffer }) =>
    argon2Sync('argon2id', { message, nonce: its.salt, memory: 8, passes: 1, parallelism: 1, tagLength: 32 });
  const refused = nativeArgon2id(() => ({ hashRawSync, hashRaw: () => Promise.reject(new Error('no memory')) }));
  const thrown = nativeArgon2id(() => ({
    hashRawSync,
    hashRaw() {
      throw new Error('not what it was');
    },
  }));
  const kdf: KdfParameters = { algorithm: 'argon2id', memoryKib: 1024, passes: 2, lanes: 1 };
  const expected = await argon2idOfNode(Buffer.from('a password'), salt, kdf);
  assert.deepEqual(await refused?.(Buffer.from('a password'), salt, kdf), expected);
  assert.deepEqual(await thrown?.(Buffer.from('a password'), salt, kdf), expected);
});
