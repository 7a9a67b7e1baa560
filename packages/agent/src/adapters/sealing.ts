import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { canonicalJson, lengthPrefixed, MAX_BODY_BYTES, parseJson, UserBundle } from '@thinman/protocol';
import type { SealedAbout, Sealing } from '../ports.ts';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
/** 96 bits, random: under a key that seals one thing or a few, a repeat is out of reach (NIST SP 800-38D, 8.3). */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** First byte of a sealed row, so that another form can follow. */
const FORMAT = 1;
const WRAPPED_KEY_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/**
 * Seals a user's bundle under a data key of the row's own, which is wrapped under the password's seal key:
 * `format(1) | box(data key) | box(bundle)`, each box being `nonce(12) | ciphertext | tag(16)`.
 */
export function createSealing(): Sealing {
  return {
    seal(bundle, keys, about) {
      const dataKey = randomBytes(KEY_BYTES);
      const plain = Buffer.from(canonicalJson(bundle));
      const aad = associatedData(about);
      try {
        return Buffer.concat([Buffer.of(FORMAT), encryptBox(keys.seal, dataKey, aad), encryptBox(dataKey, plain, aad)]);
      } finally {
        dataKey.fill(0);
        plain.fill(0);
      }
    },
    open(sealed, keys, about) {
      if (sealed[0] !== FORMAT) return undefined;
      const aad = associatedData(about);
      const dataKey = decryptBox(keys.seal, sealed.subarray(1, 1 + WRAPPED_KEY_BYTES), aad);
      if (dataKey === undefined) return undefined;
      const plain = decryptBox(dataKey, sealed.subarray(1 + WRAPPED_KEY_BYTES), aad);
      dataKey.fill(0);
      if (plain === undefined) return undefined;
      const parsed = parseJson(UserBundle, plain.toString(), MAX_BODY_BYTES);
      plain.fill(0);
      return parsed.ok ? parsed.value : undefined;
    },
  };
}

function associatedData({ siteId, deviceId, userId, version }: SealedAbout): Uint8Array {
  return lengthPrefixed([siteId, deviceId, userId, String(version.epoch), String(version.generation)]);
}

/** `nonce | ciphertext | tag` by AES-256-GCM. */
export function encryptBox(key: Uint8Array, plain: Uint8Array, aad: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** undefined: another key, other associated data, or not what was sealed. */
export function decryptBox(key: Uint8Array, box: Uint8Array, aad: Uint8Array): Buffer | undefined {
  if (box.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, key, box.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(aad).setAuthTag(box.subarray(-TAG_BYTES));
  const plain = decipher.update(box.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    decipher.final();
    return plain;
  } catch {
    plain.fill(0);
    return undefined;
  }
}

/** A key for one purpose out of the device's secret. `label` never changes its meaning. */
export function deviceSubkey(deviceSecret: Uint8Array, siteId: string, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', deviceSecret, siteId, label, KEY_BYTES));
}
