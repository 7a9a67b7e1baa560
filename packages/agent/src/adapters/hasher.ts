import { createPrivateKey, createPublicKey, hkdfSync, sign } from 'node:crypto';
import {
  AUTH_INFO,
  changeProofBytes,
  DERIVED_KEY_BYTES,
  type KdfParameters,
  lengthPrefixed,
  loginProofBytes,
  SEAL_INFO,
} from '@thinman/protocol';
import type { BaseKey, DerivedKeys, DeviceIdentity, Hasher } from '../ports.ts';
import { quickestArgon2id } from './argon2.ts';

/** PKCS#8 of an Ed25519 private key up to the 32 bytes of its seed (RFC 8410). */
const ED25519_PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

type HasherIdentity = Pick<DeviceIdentity, 'siteId' | 'deviceId' | 'deviceSecret' | 'keyHash'>;

/** Argon2id of one password: 32 bytes, which whoever asked clears. */
export type DeriveBase = (password: string, salt: string, kdf: KdfParameters) => Promise<Buffer>;

/** `design.md`, idea 6. The password itself is a string and cannot be cleared; every buffer made from it is. */
export function createHasher(identity: HasherIdentity, derive: DeriveBase = deriveBase): Hasher {
  return {
    async derive(password, salt, kdf) {
      const base = await derive(password, salt, kdf);
      return baseKey(base, identity);
    },
  };
}

/** In Node's thread pool. */
export async function deriveBase(password: string, salt: string, kdf: KdfParameters): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFC'));
  try {
    return await quickestArgon2id()(message, Buffer.from(salt, 'base64url'), kdf);
  } finally {
    message.fill(0);
  }
}

function baseKey(base: Buffer, identity: HasherIdentity): BaseKey {
  let disposed = false;
  return {
    keysFor(userId) {
      if (disposed) throw new Error('the base key has been disposed of');
      return derivedKeys(base, identity, userId);
    },
    dispose() {
      disposed = true;
      base.fill(0);
    },
  };
}

function derivedKeys(base: Buffer, identity: HasherIdentity, userId: string): DerivedKeys {
  const { siteId, deviceId, deviceSecret, keyHash } = identity;
  const pkcs8 = Buffer.concat([ED25519_PKCS8_PREFIX, hkdf(base, Buffer.from(siteId), Buffer.from(AUTH_INFO))]);
  const seal = hkdf(base, deviceSecret, lengthPrefixed([SEAL_INFO, siteId, deviceId, userId]));
  let disposed = false;
  const privateKey = () => createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return {
    get publicKey() {
      if (disposed) throw new Error('the derived keys have been disposed of');
      return createPublicKey(privateKey()).export({ format: 'jwk' }).x ?? '';
    },
    seal,
    proof({ serverKeyHash, user, loginId }) {
      if (disposed) throw new Error('the derived keys have been disposed of');
      const bytes = loginProofBytes({ siteId, serverKeyHash, deviceKeyHash: keyHash, user, loginId });
      return sign(null, bytes, privateKey()).toString('base64url');
    },
    changeProof(parts) {
      if (disposed) throw new Error('the derived keys have been disposed of');
      return sign(null, changeProofBytes({ ...parts, siteId, deviceKeyHash: keyHash }), privateKey()).toString(
        'base64url',
      );
    },
    dispose() {
      disposed = true;
      pkcs8.fill(0);
      seal.fill(0);
    },
  };
}

function hkdf(key: Buffer, salt: Uint8Array, info: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, info, DERIVED_KEY_BYTES));
}
