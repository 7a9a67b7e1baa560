import { hash } from 'node:crypto';
import type { ObjectRow } from '../record/stored-object.ts';

const DIGEST_BYTES = 32;
const DIGEST_WORDS = DIGEST_BYTES / 4;

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

export function createDigest(start: Uint32Array = new Uint32Array(DIGEST_WORDS)): Digest {
  const sum = Uint32Array.from(start);
  return {
    toggle({ kind, name, uid, generation, body, system, deleted }) {
      // No text of an object has a zero in it: JSON escapes them, and names have none.
      xor(sum, `${kind}\0${name}\0${uid}\0${generation}\0${body}\0${system}\0${deleted}`);
    },
    copy: () => createDigest(sum),
    sealedWith: text => [...xor(Uint32Array.from(sum), text)].map(inHex).join(''),
  };
}

/** Its hash as a string of a character for each byte: a Buffer would take as long to make as the hash does. */
function xor(into: Uint32Array, text: string): Uint32Array {
  const bytes = hash('sha256', text, 'latin1');
  for (let word = 0, at = 0; word < DIGEST_WORDS; word++, at += 4) {
    const first = (bytes.charCodeAt(at) << 24) | (bytes.charCodeAt(at + 1) << 16);
    into[word] = (into[word] ?? 0) ^ (first | (bytes.charCodeAt(at + 2) << 8) | bytes.charCodeAt(at + 3));
  }
  return into;
}

const inHex = (word: number) => word.toString(16).padStart(8, '0');
