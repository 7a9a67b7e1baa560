import { createHmac, diffieHellman, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { lengthPrefixed } from '@thinman/protocol';
import type { SiteDataKey } from '../ports.ts';
import { publicKeyFromRaw, rawPublicKey } from './raw-keys.ts';
import { deriveKey, openBox, SYMMETRIC_KEY_BYTES, sealBox } from './sealed-box.ts';

const WRAP_INFO = 'thinman/1/data-key';
const MAC_INFO = 'thinman/1/mac/';
const SEAL_INFO = 'thinman/1/object-secret';
const RAW_KEY_BYTES = 32;

export function newDataKey(): Buffer {
  return randomBytes(SYMMETRIC_KEY_BYTES);
}

/** The site data key at work. What it needs is derived from `dataKey` once; the caller keeps or clears its buffer. */
export function openDataKey(dataKey: Uint8Array, siteId: string): SiteDataKey {
  const held = Buffer.from(dataKey);
  const sealKey = deriveKey(held, siteId, SEAL_INFO);
  const macKeys = new Map<string, Buffer>();
  return {
    mac(purpose, ...parts) {
      let key = macKeys.get(purpose);
      if (key === undefined) {
        key = deriveKey(held, siteId, MAC_INFO + purpose);
        macKeys.set(purpose, key);
      }
      return createHmac('sha256', key).update(lengthPrefixed(parts)).digest();
    },
    seal: (plain, context) => sealBox(sealKey, Buffer.from(plain), Buffer.from(context)).toString('base64url'),
    open(sealed, context) {
      const plain = openBox(sealKey, Buffer.from(sealed, 'base64url'), Buffer.from(context));
      if (plain === undefined) throw new Error('a sealed secret does not open under the data key of this site');
      return plain.toString();
    },
    wrapFor: wrappingKey => wrapDataKey(held, wrappingKey, siteId),
  };
}

/**
 * To one server's raw X25519 key: ephemeral key ‖ box under HKDF(shared secret). Both public keys and the site are bound
 * to it. Throws when `wrappingKey` is no such key.
 */
function wrapDataKey(dataKey: Uint8Array, wrappingKey: string, siteId: string): string {
  const recipient = publicKeyFromRaw('X25519', wrappingKey);
  if (recipient === undefined) throw new TypeError('not a raw X25519 key');
  const ephemeral = generateKeyPairSync('x25519');
  const ephemeralRaw = rawPublicKey(ephemeral.publicKey);
  const key = sharedKey(ephemeral.privateKey, recipient, siteId, ephemeralRaw, wrappingKey);
  const box = sealBox(key, dataKey, Buffer.from(siteId));
  key.fill(0);
  return Buffer.concat([Buffer.from(ephemeralRaw, 'base64url'), box]).toString('base64url');
}

/** undefined: wrapped to another key or site, or changed. */
export function unwrapDataKey(wrapped: string, wrappingKey: KeyObject, siteId: string): Buffer | undefined {
  const bytes = Buffer.from(wrapped, 'base64url');
  const ephemeralRaw = bytes.subarray(0, RAW_KEY_BYTES).toString('base64url');
  const ephemeral = publicKeyFromRaw('X25519', ephemeralRaw);
  if (ephemeral === undefined) return undefined;
  const key = sharedKey(wrappingKey, ephemeral, siteId, ephemeralRaw, rawPublicKey(wrappingKey));
  const dataKey = openBox(key, bytes.subarray(RAW_KEY_BYTES), Buffer.from(siteId));
  key.fill(0);
  return dataKey;
}

function sharedKey(mine: KeyObject, theirs: KeyObject, siteId: string, ephemeral: string, recipient: string): Buffer {
  const secret = diffieHellman({ privateKey: mine, publicKey: theirs });
  const key = deriveKey(secret, siteId, lengthPrefixed([WRAP_INFO, ephemeral, recipient]));
  secret.fill(0);
  return key;
}
