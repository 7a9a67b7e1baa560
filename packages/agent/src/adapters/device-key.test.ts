import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { publicKeyOfCsr } from '../../../../test/support/trust.ts';
import { createCsr, generateDeviceKey, spkiHash } from './device-key.ts';

test('a server reads from the certificate request the key that the device holds', async () => {
  const key = generateDeviceKey();
  const read = await publicKeyOfCsr(createCsr(key, 'tc-1'));
  assert.ok(read.equals(createPublicKey(key)));
  assert.equal(spkiHash(read), spkiHash(createPrivateKey(key)));
});

test('a name with many bytes gives a request that still reads', async () => {
  const key = generateDeviceKey();
  for (const name of ['è'.repeat(30), 'è'.repeat(64), 'x'.repeat(128)]) {
    assert.ok((await publicKeyOfCsr(createCsr(key, name))).equals(createPublicKey(key)), name);
  }
});

test('a request whose content was changed is refused by its signature', async () => {
  const pem = createCsr(generateDeviceKey(), 'tc-1');
  const der = Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64');
  const at = der.indexOf('tc-1');
  der.write('tc-2', at);
  const changed = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  await assert.rejects(publicKeyOfCsr(changed));
});

test('two devices have two keys, and the hash of a key is 43 characters', () => {
  const [a, b] = [generateDeviceKey(), generateDeviceKey()].map(pem => spkiHash(createPrivateKey(pem)));
  assert.notEqual(a, b);
  assert.match(a ?? '', /^[A-Za-z0-9_-]{43}$/);
});
