import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12; // 96 bits: what GCM is made for
const TAG_BYTES = 16;
export const SYMMETRIC_KEY_BYTES = 32;

/** AES-256-GCM: nonce ‖ ciphertext ‖ tag. `about` is bound to it and must be given again to open it. */
export function sealBox(key: Uint8Array, plain: Uint8Array, about: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(about);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** undefined: another key, another `about`, or changed on the way. */
export function openBox(key: Uint8Array, box: Uint8Array, about: Uint8Array): Buffer | undefined {
  if (box.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const tagAt = box.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(about)
    .setAuthTag(box.subarray(tagAt));
  try {
    return Buffer.concat([decipher.update(box.subarray(NONCE_BYTES, tagAt)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** HKDF-SHA256 to 32 bytes. */
export function deriveKey(secret: Uint8Array, salt: Uint8Array | string, info: string | Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, SYMMETRIC_KEY_BYTES));
}
