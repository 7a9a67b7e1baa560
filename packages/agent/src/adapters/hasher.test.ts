import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type KdfParameters, loginProofBytes } from '@thinman/protocol';
import { createHasher } from './hasher.ts';

type Vectors = {
  siteId: string;
  deviceId: string;
  userId: string;
  deviceSecret: string;
  loginId: string;
  serverKeyHash: string;
  deviceKeyHash: string;
  vectors: {
    name: string;
    password: string;
    kdf: KdfParameters;
    salt: string;
    user: string;
    publicKey: string;
    seal: string;
    proof: string;
  }[];
};

const spec: Vectors = JSON.parse(
  readFileSync(new URL('../../../../test/spec/kdf-vectors.json', import.meta.url), 'utf8'),
);
const { siteId, deviceId, userId, loginId, serverKeyHash, deviceKeyHash } = spec;
const identity = {
  siteId,
  deviceId,
  keyHash: deviceKeyHash,
  deviceSecret: Buffer.from(spec.deviceSecret, 'base64url'),
};
const cheap: KdfParameters = { algorithm: 'argon2id', memoryKib: 64, passes: 1, lanes: 1 };
const salt = Buffer.alloc(16, 7).toString('base64url');

describe('the derivation agrees with the vectors that servers are held to', () => {
  for (const vector of spec.vectors) {
    test(vector.name, async () => {
      const base = await createHasher(identity).derive(vector.password, vector.salt, vector.kdf);
      const keys = base.keysFor(userId);
      assert.equal(keys.publicKey, vector.publicKey);
      assert.equal(keys.seal.toString('base64url'), vector.seal);
      assert.equal(keys.proof({ serverKeyHash, user: vector.user, loginId }), vector.proof);
    });
  }
});

test('a proof convinces the one server and the one login that it was made for', async () => {
  const keys = (await createHasher(identity).derive('a password', salt, cheap)).keysFor(userId);
  const signature = Buffer.from(keys.proof({ serverKeyHash, user: 'alice', loginId }), 'base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: keys.publicKey }, format: 'jwk' });
  const parts = { siteId, serverKeyHash, deviceKeyHash, user: 'alice', loginId };
  assert.ok(verify(null, loginProofBytes(parts), key, signature));
  for (const other of [
    { serverKeyHash: deviceKeyHash },
    { deviceKeyHash: serverKeyHash },
    { user: 'bob' },
    { loginId: userId },
  ]) {
    assert.ok(!verify(null, loginProofBytes({ ...parts, ...other }), key, signature), JSON.stringify(other));
  }
});

test('the seal differs by user and by device, the credential does not', async () => {
  const base = await createHasher(identity).derive('a password', salt, cheap);
  const elsewhere = await createHasher({ ...identity, deviceSecret: Buffer.alloc(32, 1) }).derive(
    'a password',
    salt,
    cheap,
  );
  const [alice, bob, away] = [base.keysFor(userId), base.keysFor(deviceId), elsewhere.keysFor(userId)];
  assert.equal(alice.publicKey, away.publicKey);
  assert.notDeepEqual(alice.seal, bob.seal);
  assert.notDeepEqual(alice.seal, away.seal);
});

test('what was disposed of is cleared, and signs nothing any more', async () => {
  const base = await createHasher(identity).derive('a password', salt, cheap);
  const keys = base.keysFor(userId);
  keys.dispose();
  base.dispose();
  assert.deepEqual(keys.seal, Buffer.alloc(32));
  assert.throws(() => keys.proof({ serverKeyHash, user: 'alice', loginId }));
  assert.throws(() => base.keysFor(userId));
});

test('two derivations run beside each other and do not block the event loop', async () => {
  const hasher = createHasher(identity);
  const real: KdfParameters = { ...cheap, memoryKib: 19 * 1024, passes: 2 };
  let turns = 0;
  const spin = setInterval(() => turns++, 1);
  const [one, two] = await Promise.all([hasher.derive('one', salt, real), hasher.derive('two', salt, real)]);
  clearInterval(spin);
  assert.notEqual(one.keysFor(userId).publicKey, two.keysFor(userId).publicKey);
  assert.ok(turns > 0);
});
