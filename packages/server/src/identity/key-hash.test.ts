import assert from 'node:assert/strict';
import { type createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { p256KeyInfoIn } from '@thinman/protocol';
import type { Clock } from '../ports.ts';
import { createSiteCa, openCertificateAuthority } from './certificate-authority.ts';
import { createCsr } from './csr.ts';
import { toPem } from './identity-files.ts';
import { keyHashOf, keyHashOfCertificate } from './key-hash.ts';

const NOW_MS = Date.UTC(2026, 10, 22);
const clock: Clock = { nowMs: () => NOW_MS, monotonicMs: () => 0, after: () => () => {} };
const site = await createSiteCa('0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59', NOW_MS);
const ca = openCertificateAuthority(toPem(site.key), site.certificatePem, clock);

async function certificateOf(privateKey: ReturnType<typeof createPrivateKey>): Promise<X509Certificate> {
  const { pem } = await ca.issueDevice(await createCsr(privateKey), '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11');
  return new X509Certificate(pem);
}

test('a certificate’s key has the hash that OpenSSL’s own reading of it has, and is read without OpenSSL', async () => {
  for (let nth = 0; nth < 20; nth++) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificate = await certificateOf(privateKey);
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    assert.deepEqual(Buffer.from(p256KeyInfoIn(certificate.raw) ?? []), spki);
    assert.equal(keyHashOfCertificate(certificate), keyHashOf(privateKey));
  }
  const own = new X509Certificate(site.certificatePem);
  assert.equal(keyHashOfCertificate(own), keyHashOf(own.publicKey));
});

test('whatever is no certificate, or is cut off, has no key', async () => {
  const { raw } = await certificateOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const info = p256KeyInfoIn(raw);
  assert.ok(info);
  const end = raw.indexOf(info) + info.length;
  for (let length = 0; length < end; length++) assert.equal(p256KeyInfoIn(raw.subarray(0, length)), undefined);
  assert.equal(p256KeyInfoIn(Buffer.from('no certificate')), undefined);
  // Indefinite lengths are BER; OpenSSL would be asked.
  const indefinite = Buffer.from(raw);
  indefinite[1] = 0x80;
  assert.equal(p256KeyInfoIn(indefinite), undefined);
});

test('a key of another kind, or in another form, is left to OpenSSL', async () => {
  const { raw } = await certificateOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const info = p256KeyInfoIn(raw);
  assert.ok(info);
  const at = raw.indexOf(info) + info.length - 65;
  const compressed = Buffer.from(raw);
  compressed[at] = 0x02;
  assert.equal(p256KeyInfoIn(compressed), undefined);
});
