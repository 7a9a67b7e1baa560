import { createHash } from 'node:crypto';

const UUID_BYTES = 16;

/** UUIDv5 (RFC 9562): the same namespace and name give the same id everywhere. */
export function uuidV5(namespace: string, name: string): string {
  const space = Buffer.from(namespace.replaceAll('-', ''), 'hex');
  return uuidFrom(createHash('sha1').update(space).update(name).digest(), 5);
}

/** Bytes in the shape of a UUID of this version (8 = one's own kind). Takes the first 16. */
export function uuidFrom(source: Buffer, version: 5 | 8): string {
  const bytes = Buffer.from(source.subarray(0, UUID_BYTES));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
