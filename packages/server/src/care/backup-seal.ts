import { createCipheriv, createDecipheriv, hash, type KeyObject } from 'node:crypto';
import { deriveKey } from '../identity/sealed-box.ts';

/**
 * The body of a backup: chunks under AES-256-GCM, each bound to its place and the last one to being the last (the STREAM
 * construction, Hoang, Reyhanitabar, Rogaway and Vizár 2015). So chunks cannot be changed, swapped, left out or cut off, and are
 * read one at a time.
 */
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
/** 2^32 chunks of 64 KiB: 256 TiB. */
const COUNTER_AT = 7;
const LAST_AT = 11;

const INFO = 'thinman/1/backup';

/** Cut off, changed, or not sealed by this key. */
export class BackupBroken extends Error {
  override readonly name = 'BackupBroken';
}

/**
 * The key of one backup, from the CA's private key: it lies on the Primary, and in the site row under the recovery code. Who has
 * neither can read no backup, nor make one that would be believed. `header` is bound to it, with the random salt in it.
 */
export function backupKey(caKey: KeyObject, salt: string, header: string): Buffer {
  const { d = '' } = caKey.export({ format: 'jwk' });
  const secret = Buffer.from(d, 'base64url');
  try {
    return deriveKey(secret, Buffer.from(salt, 'base64url'), `${INFO} ${hash('sha256', header, 'base64url')}`);
  } finally {
    secret.fill(0);
  }
}

/** Seals a stream of bytes of any length. */
export async function* sealChunks(key: Buffer, plain: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let count = 0;
  for await (const { bytes, isLast } of inChunks(plain, CHUNK_BYTES)) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce(count++, isLast));
    yield Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  }
}

/** Opens what `sealChunks` made. Throws BackupBroken. */
export async function* openChunks(key: Buffer, sealed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let count = 0;
  for await (const { bytes, isLast } of inChunks(sealed, CHUNK_BYTES + TAG_BYTES)) {
    yield openChunk(key, bytes, nonce(count++, isLast));
  }
}

function openChunk(key: Buffer, bytes: Buffer, nonceBytes: Buffer): Buffer {
  const tagAt = bytes.length - TAG_BYTES;
  if (tagAt < 0) throw new BackupBroken();
  const decipher = createDecipheriv('aes-256-gcm', key, nonceBytes, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(bytes.subarray(tagAt));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, tagAt)), decipher.final()]);
  } catch {
    throw new BackupBroken();
  }
}

function nonce(count: number, isLast: boolean): Buffer {
  const bytes = Buffer.alloc(NONCE_BYTES);
  bytes.writeUInt32BE(count, COUNTER_AT);
  bytes[LAST_AT] = isLast ? 1 : 0;
  return bytes;
}

/** Pieces of one size, the last one of what is left: there is always a last one. */
async function* inChunks(source: AsyncIterable<Buffer>, size: number) {
  let held: Buffer[] = [];
  let length = 0;
  for await (const piece of source) {
    held.push(piece);
    length += piece.length;
    if (length <= size) continue;
    let all = Buffer.concat(held);
    // A full one is held back: it may be the last.
    for (; all.length > size; all = all.subarray(size)) yield { bytes: all.subarray(0, size), isLast: false };
    held = [all];
    length = all.length;
  }
  yield { bytes: Buffer.concat(held), isLast: true };
}
