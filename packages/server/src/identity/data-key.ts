import { createHmac, diffieHellman, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { lengthPrefixed } from '@thinman/protocol';
import type { SiteDataKey } from '../ports.ts';
import { publicKeyFromRaw, rawPublicKey } from './raw-keys.ts';
import { deriveKey, openBox, SYMMETRIC_KEY_BYTES, sealBox } from './sealed-box.ts';

const WRAP_INFO = 'thinman/1/data-key';
const MAC_INFO = 'thinman/1/mac/';
const SEAL_INFO = 'thinman/1/object-secret';
const RAW_KEY_BYTES = 32;

/** A wrapped key ring stays within the field that carries it (`ServerSystem`). */
const MAX_KEYS = 8;

/**
 * The site data key is a ring of 32-byte keys: the first one seals, each of them opens, and the last one, the site's first, is
 * behind what must be alike on all servers for ever (ADR 0027). A new site's ring has one.
 */
export function newDataKey(): Buffer {
  return randomBytes(SYMMETRIC_KEY_BYTES);
}

export function isDataKey(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.length % SYMMETRIC_KEY_BYTES === 0 && bytes.length <= MAX_KEYS * SYMMETRIC_KEY_BYTES;
}

/** The ring with a new first key. The oldest but the site's first goes, when there are too many. */
export function renewDataKey(dataKey: Uint8Array): Buffer {
  return joinRings(newDataKey(), keysOf(dataKey));
}

/**
 * What a server holds after it was given another ring of its site: the other one's keys first, as far as they are news. undefined:
 * it has them all, or the ring is of another site, or made by somebody who knows none of this site's.
 */
export function mergedDataKey(held: Uint8Array, given: Uint8Array): Buffer | undefined {
  if (!isDataKey(given)) return undefined;
  const [mine, theirs] = [keysOf(held), keysOf(given)];
  const isHeld = (key: Buffer) => mine.some(known => known.equals(key));
  const [newest, root] = [theirs[0], theirs.at(-1)];
  if (newest === undefined || root === undefined || mine.at(-1)?.equals(root) !== true || isHeld(newest))
    return undefined;
  const older = mine.filter(key => !theirs.some(known => known.equals(key)));
  return joinRings(Buffer.concat(theirs.slice(0, -1)), [...older, root]);
}

function joinRings(newer: Buffer, older: readonly Buffer[]): Buffer {
  const room = MAX_KEYS - newer.length / SYMMETRIC_KEY_BYTES;
  const root = older.slice(-1);
  return Buffer.concat([newer, ...older.slice(0, -1).slice(0, room - 1), ...root]);
}

function keysOf(dataKey: Uint8Array): Buffer[] {
  const bytes = Buffer.from(dataKey);
  const starts = Array.from({ length: bytes.length / SYMMETRIC_KEY_BYTES }, (_, at) => at * SYMMETRIC_KEY_BYTES);
  return starts.map(start => bytes.subarray(start, start + SYMMETRIC_KEY_BYTES));
}

/** The site data key at work. What it needs is derived from `dataKey` once; the caller keeps or clears its buffer. */
export function openDataKey(dataKey: Uint8Array, siteId: string): SiteDataKey {
  const held = Buffer.from(dataKey);
  const keys = keysOf(held);
  const [sealKey, ...olderSealKeys] = keys.map(key => deriveKey(key, siteId, SEAL_INFO));
  const root = keys.at(-1);
  if (sealKey === undefined || root === undefined) throw new TypeError('not a data key');
  const macKeys = new Map<string, Buffer>();
  const self: SiteDataKey = {
    mac(purpose, ...parts) {
      let key = macKeys.get(purpose);
      if (key === undefined) {
        key = deriveKey(root, siteId, MAC_INFO + purpose);
        macKeys.set(purpose, key);
      }
      return createHmac('sha256', key).update(lengthPrefixed(parts)).digest();
    },
    seal: (plain, context) => sealBox(sealKey, Buffer.from(plain), Buffer.from(context)).toString('base64url'),
    open(sealed, context) {
      const [box, about] = [Buffer.from(sealed, 'base64url'), Buffer.from(context)];
      for (const key of [sealKey, ...olderSealKeys]) {
        const plain = openBox(key, box, about);
        if (plain !== undefined) return plain.toString();
      }
      throw new Error('a sealed secret does not open under the data key of this site');
    },
    wrapFor: wrappingKey => wrapDataKey(held, wrappingKey, siteId),
    renewed: () => openDataKey(renewDataKey(held), siteId),
    heldIn: () => self,
  };
  return self;
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

/** What a server holds after it has looked into its Server object (`mergedDataKey`); undefined: nothing new for it. */
export function followedDataKey(
  held: Uint8Array,
  wrapped: string,
  wrappingKey: KeyObject,
  siteId: string,
): Buffer | undefined {
  const given = unwrapDataKey(wrapped, wrappingKey, siteId);
  const ring = given && mergedDataKey(held, given);
  given?.fill(0);
  return ring;
}

function sharedKey(mine: KeyObject, theirs: KeyObject, siteId: string, ephemeral: string, recipient: string): Buffer {
  const secret = diffieHellman({ privateKey: mine, publicKey: theirs });
  const key = deriveKey(secret, siteId, lengthPrefixed([WRAP_INFO, ephemeral, recipient]));
  secret.fill(0);
  return key;
}
