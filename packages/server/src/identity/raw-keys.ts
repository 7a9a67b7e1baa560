import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** PKCS8 of an Ed25519 key up to its 32-byte seed (RFC 8410). */
const ED25519_PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An Ed25519 key pair from its seed of 32 bytes. The copy made here is cleared. */
export function ed25519FromSeed(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([ED25519_PKCS8_PREFIX, seed]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

/** Raw public key of an Ed25519 or X25519 key, base64url. */
export function rawPublicKey(key: KeyObject): string {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  if (typeof x !== 'string') throw new TypeError('not a key with a raw form');
  return x;
}

/** Public keys that were read last: reading one takes as long as a third of a verification, and people log in again. */
const KEPT_KEYS = 4_096;
const kept = new Map<string, KeyObject>();

/** A raw public key (base64url, 32 bytes) as Node's; undefined when it is none. */
export function publicKeyFromRaw(curve: 'Ed25519' | 'X25519', raw: string): KeyObject | undefined {
  const name = `${curve} ${raw}`;
  const known = kept.get(name);
  if (known !== undefined) return known;
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: curve, x: raw }, format: 'jwk' });
    if (kept.size >= KEPT_KEYS) kept.clear();
    kept.set(name, key);
    return key;
  } catch {
    return undefined;
  }
}
