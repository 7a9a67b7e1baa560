import { argon2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { AUTH_INFO, DERIVED_KEY_BYTES, type KdfParameters, SALT_BYTES } from '@thinman/protocol';
import type { PasswordHasher } from '../ports.ts';
import { createHashQueue, type HashQueue } from './hash-queue.ts';
import { ed25519FromSeed, rawPublicKey } from './raw-keys.ts';
import { deriveKey } from './sealed-box.ts';
import { constantTimeEqual } from './token-secret.ts';

/** Administrators' passwords (`design.md`, Technology; OWASP's first choice for Argon2id). */
export const ADMINISTRATOR_KDF: KdfParameters = { algorithm: 'argon2id', memoryKib: 19 * 1024, passes: 2, lanes: 1 };

const argon2Async = promisify(argon2);

/** Argon2id of the password in Unicode normal form C: 32 bytes, to be cleared by the caller. */
async function baseKey(password: string, salt: string, kdf: KdfParameters): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFC'));
  try {
    return await argon2Async(kdf.algorithm, {
      message,
      nonce: Buffer.from(salt, 'base64url'),
      memory: kdf.memoryKib,
      passes: kdf.passes,
      parallelism: kdf.lanes,
      tagLength: DERIVED_KEY_BYTES,
    });
  } finally {
    message.fill(0);
  }
}

/** The public key that a user's password gives at this site (`design.md`, idea 6). */
async function publicKeyOf(password: string, siteId: string, salt: string, kdf: KdfParameters): Promise<string> {
  const key = await baseKey(password, salt, kdf);
  const seed = deriveKey(key, siteId, AUTH_INFO);
  try {
    return rawPublicKey(ed25519FromSeed(seed));
  } finally {
    key.fill(0);
    seed.fill(0);
  }
}

async function administratorHash(password: string, salt: string): Promise<string> {
  const key = await baseKey(password, salt, ADMINISTRATOR_KDF);
  const hash = key.toString('base64url');
  key.fill(0);
  return hash;
}

const newSalt = () => randomBytes(SALT_BYTES).toString('base64url');

/** Argon2id in Node's thread pool. Only `administratorFits` is open to strangers; it throws Overloaded when too many wait. */
export function createPasswordHasher(queue: HashQueue = createHashQueue()): PasswordHasher {
  return {
    async credential(password, siteId, kdf) {
      const salt = newSalt();
      return { salt, publicKey: await queue.patient(() => publicKeyOf(password, siteId, salt, kdf)) };
    },
    async fits(password, siteId, { kdf, salt, publicKey }) {
      return constantTimeEqual(await queue.patient(() => publicKeyOf(password, siteId, salt, kdf)), publicKey);
    },
    async administrator(password) {
      const passwordSalt = newSalt();
      return { passwordSalt, passwordHash: await queue.patient(() => administratorHash(password, passwordSalt)) };
    },
    async administratorFits(password, { passwordSalt, passwordHash }) {
      return constantTimeEqual(await queue.bounded(() => administratorHash(password, passwordSalt)), passwordHash);
    },
  };
}
