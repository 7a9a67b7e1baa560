import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { DEVICE_CERTIFICATE_LIFETIME_MS } from '@thinman/protocol';
import type { CertificateAuthority, Clock } from '../ports.ts';
import { createSiteCa, openCertificateAuthority, type SiteCa } from './certificate-authority.ts';
import { createCsr } from './csr.ts';
import { CsrRefused } from './errors.ts';
import { toPem } from './identity-files.ts';
import { keyHashOf } from './key-hash.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 12, 0, 0, 345);
const clock: Clock = { nowMs: () => NOW_MS, monotonicMs: () => 0, after: () => () => {} };
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const DEVICE_ID = '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11';

describe('the site CA', () => {
  let site: SiteCa;
  let ca: CertificateAuthority;
  const device = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  before(async () => {
    site = await createSiteCa('0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59', NOW_MS);
    ca = openCertificateAuthority(toPem(site.key), site.certificatePem, clock);
  });

  it('signs itself, and is valid for clients that boot with a dead clock', () => {
    const certificate = new X509Certificate(site.certificatePem);
    assert.equal(certificate.ca, true);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.validFromDate.toISOString(), '2020-01-01T00:00:00.000Z');
  });

  it('gives a device a certificate for its key under the id that the server chose, good for nothing else', async () => {
    const issued = await ca.issueDevice(await createCsr(device.privateKey), DEVICE_ID);
    const certificate = new X509Certificate(issued.pem);
    assert.equal(certificate.subject, `CN=${DEVICE_ID}`);
    assert.equal(certificate.ca, false);
    assert.equal(certificate.subjectAltName, undefined);
    assert.deepEqual(certificate.keyUsage, [CLIENT_AUTH]);
    assert.ok(certificate.verify(createPublicKey(site.key)));
    assert.ok(certificate.checkIssued(new X509Certificate(site.certificatePem)));
    assert.equal(certificate.validFromDate.toISOString(), '2020-01-01T00:00:00.000Z');
    assert.equal(issued.keyHash, keyHashOf(device.publicKey));
    assert.equal(keyHashOf(certificate.publicKey), issued.keyHash);
    assert.equal(certificate.serialNumber.toLowerCase(), issued.serial);
    assert.equal(certificate.validToDate.getTime(), issued.expiresAt);
    assert.ok(Math.abs(issued.expiresAt - NOW_MS - DEVICE_CERTIFICATE_LIFETIME_MS) < 1000);
  });

  it('never gives two certificates the same serial', async () => {
    const csr = await createCsr(device.privateKey);
    const issued = await Promise.all(Array.from({ length: 20 }, () => ca.issueDevice(csr, DEVICE_ID)));
    assert.equal(new Set(issued.map(({ serial }) => serial)).size, 20);
  });

  it('names a server as its URLs do: DNS names and addresses', async () => {
    const urls = ['https://primary.example.org:7443', 'https://127.0.0.1:1', 'https://[::1]:2', 'https://127.0.0.1:3'];
    const issued = await ca.issueServer(await createCsr(device.privateKey), 'primary', urls);
    const certificate = new X509Certificate(issued.pem);
    assert.equal(
      certificate.subjectAltName,
      'DNS:primary.example.org, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    assert.equal(certificate.checkHost('primary.example.org'), 'primary.example.org');
    assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1');
    assert.deepEqual(certificate.keyUsage?.toSorted(), [SERVER_AUTH, CLIENT_AUTH]);
    assert.equal(certificate.ca, false);
  });

  it('refuses a request that is not signed by its own key', async () => {
    const csr = await createCsr(device.privateKey);
    const der = Buffer.from(csr.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    await assert.rejects(ca.issueDevice(forged, DEVICE_ID), CsrRefused);
  });

  it('refuses what is not a request, without saying more', async () => {
    for (const text of [
      '',
      'no',
      site.certificatePem,
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----',
    ]) {
      await assert.rejects(ca.issueDevice(text, DEVICE_ID), CsrRefused);
    }
  });

  it('does not open with the key of another CA', async () => {
    const other = await createSiteCa('1b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59', NOW_MS);
    assert.throws(() => openCertificateAuthority(toPem(other.key), site.certificatePem, clock));
  });
});
