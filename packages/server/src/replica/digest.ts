import { hash } from 'node:crypto';
import type { ObjectRow } from '../record/stored-object.ts';

const DIGEST_BYTES = 32;

/**
 * What a set of rows comes to, in any order: the XOR of their SHA-256. SQLite finds pages that are no pages; it does not find
 * one that is whole and not of this moment (an old copy of the file beside the log of today, a bit that fell over in a value).
 */
export type Digest = {
  /** Puts a row in, or takes it out that is in. */
  toggle(row: ObjectRow): void;
  copy(): Digest;
  /** With what else must be of the same moment; hexadecimal. */
  sealedWith(text: string): string;
};

export function createDigest(start: Uint8Array = new Uint8Array(DIGEST_BYTES)): Digest {
  const sum = Uint8Array.from(start);
  return {
    toggle({ kind, name, uid, generation, body, system, deleted }) {
      // No text of an object has a zero in it: JSON escapes them, and names have none.
      xor(sum, hash('sha256', [kind, name, uid, generation, body, system, deleted].join('\0'), 'buffer'));
    },
    copy: () => createDigest(sum),
    sealedWith: text => Buffer.from(xor(Uint8Array.from(sum), hash('sha256', text, 'buffer'))).toString('hex'),
  };
}

function xor(into: Uint8Array, bytes: Uint8Array): Uint8Array {
  for (let at = 0; at < DIGEST_BYTES; at++) into[at] = (into[at] ?? 0) ^ (bytes[at] ?? 0);
  return into;
}
