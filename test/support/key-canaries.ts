import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { decodeToken } from '@thinman/protocol';
import { findSecrets, type Secret } from './canaries.ts';
import type { Site } from './site.ts';

/** A key, in all the forms in which it may lie somewhere, and the only files in which it may, from the site's folder. */
type Key = { readonly name: string; readonly secrets: readonly Secret[]; readonly allowed: RegExp };

/** Base64 characters of a line of PEM, and the bytes in it. */
const PEM_LINE = 64;
const PEM_LINE_BYTES = 48;

/** Every key that a site has on its disks, but for those of sessions, which lie on none. */
export function keysOf(site: Site): readonly Key[] {
  const read = (...path: string[]) => readFileSync(join(site.folder, ...path));
  const ofServers = site.servers.flatMap(({ name }) =>
    ['tls.key', 'session.key', 'wrapping.key'].map(file => privateKey(`${name}/identity/${file}`, read)),
  );
  const ofDevices = site.agents.flatMap(({ name }) => {
    const secret = `${name}/identity/device.secret`;
    return [privateKey(`${name}/identity/device.key`, read), inFile(secret, read(secret), RegExp(`^${secret}$`))];
  });
  const dataKey = Buffer.from(read('primary', 'identity', 'data.key').toString(), 'base64url');
  return [
    ...ofServers,
    ...ofDevices,
    privateKey('primary/identity/ca.key', read),
    inFile('the data key', dataKey, /^(?:primary|secondary)\/identity\/data\.key$/),
  ];
}

/** What was printed once, for a person: `log` holds what that command has said. */
export function printedKey(name: string, log: RegExp, ...texts: readonly string[]): Key {
  return { name, secrets: texts, allowed: log };
}

export function tokenSecret(name: string, token: string, log: RegExp): Key {
  const decoded = decodeToken(token);
  assert.ok(decoded.ok);
  const { secret } = decoded.content;
  return { name, secrets: [secret, { name, bytes: Buffer.from(secret, 'base64url') }], allowed: log };
}

/** Each lies in a file of its own, and in no other. */
export function expectKeysInTheirPlaces(site: Site, keys: readonly Key[]): void {
  for (const { name, secrets, allowed } of keys) {
    const files = new Set(findSecrets([site.folder], secrets).map(({ file }) => relative(site.folder, file)));
    assert.deepEqual(
      [...files].filter(file => !allowed.test(file)),
      [],
      name,
    );
    assert.ok(files.size > 0, `${name} is not found where it is: then nowhere else either`);
  }
}

function inFile(name: string, bytes: Buffer, allowed: RegExp): Key {
  return { name, secrets: [{ name, bytes }], allowed };
}

/** The secret number itself, and the lines of the PEM file that hold it. */
function privateKey(file: string, read: (path: string) => Buffer): Key {
  const key = createPrivateKey(read(file));
  const { d = '' } = key.export({ format: 'jwk' });
  const number = Buffer.from(d, 'base64url');
  const der = key.export({ format: 'der', type: 'pkcs8' });
  const at = der.indexOf(number);
  const text = der.toString('base64');
  const first = Math.floor(at / PEM_LINE_BYTES);
  const last = Math.floor((at + number.length - 1) / PEM_LINE_BYTES);
  const lines = Array.from({ length: last - first + 1 }, (_, n) =>
    text.slice((first + n) * PEM_LINE, (first + n + 1) * PEM_LINE),
  );
  const secrets = [{ name: file, bytes: number }, ...lines.map(line => ({ name: file, bytes: Buffer.from(line) }))];
  return { name: file, secrets, allowed: RegExp(`^${file}$`) };
}
