import 'reflect-metadata';
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as ParsedCertificate,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { DEVICE_CERTIFICATE_LIFETIME_MS } from '@thinman/protocol';
import type { CertificateAuthority, Clock, IssuedCertificate } from '../ports.ts';
import { P256, P256_SHA256, publicKeyOfCsr } from './csr.ts';
import { keyHashOf } from './key-hash.ts';
import { signStatement } from './statement.ts';

const DAY_MS = 24 * 3_600_000;
/** Thin clients boot with dead clocks (`design.md`, Identity and trust). */
export const NOT_BEFORE = new Date('2020-01-01T00:00:00Z');
/** Longer than a device's: a site of servers that nobody renews must not fall silent in its first year. */
export const SERVER_CERTIFICATE_LIFETIME_MS = 2 * 365 * DAY_MS;
/** Above the life of the thin clients that it vouches for; a change of the CA is an administrative act. */
export const CA_CERTIFICATE_LIFETIME_MS = 25 * 365 * DAY_MS;
const SERIAL_BYTES = 16;

export type SiteCa = { readonly key: KeyObject; readonly certificatePem: string };

export function newCaKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: P256.namedCurve }).privateKey;
}

/** A new site CA: ECDSA P-256, signs leaves only. `nowMs`: Unix milliseconds. All CAs of a site have one name. */
export async function createSiteCa(siteId: string, nowMs: number, privateKey = newCaKey()): Promise<SiteCa> {
  const keys = {
    privateKey: privateKey.toCryptoKey(P256, true, ['sign']),
    publicKey: createPublicKey(privateKey).toCryptoKey(P256, true, ['verify']),
  };
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      keys,
      name: [{ CN: [`ThinMan site ${siteId}`] }],
      serialNumber: newSerial(),
      notBefore: NOT_BEFORE,
      notAfter: new Date(nowMs + CA_CERTIFICATE_LIFETIME_MS),
      signingAlgorithm: P256_SHA256,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { key: privateKey, certificatePem: `${certificate.toString('pem')}\n` };
}

/**
 * The next CA certified by the previous one ("new with old", RFC 4210, 4.4): whoever trusts the previous one alone can verify
 * what the next one issues. Both have one name, so that it is self-issued and the previous one's path length of 0 allows it.
 */
export async function bridgeCa(previous: SiteCa, nextCertificatePem: string): Promise<string> {
  const issuer = new ParsedCertificate(previous.certificatePem);
  const next = new ParsedCertificate(nextCertificatePem);
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: newSerial(),
      issuer: issuer.subjectName,
      subject: next.subjectName,
      notBefore: NOT_BEFORE,
      notAfter: issuer.notAfter,
      publicKey: next.publicKey,
      signingKey: previous.key.toCryptoKey(P256, false, ['sign']),
      signingAlgorithm: P256_SHA256,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
        await SubjectKeyIdentifierExtension.create(next.publicKey, false, webcrypto),
        await AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return `${certificate.toString('pem')}\n`;
}

/** The site CA at work. Throws when key and certificate are not a pair. */
export function openCertificateAuthority(
  caKeyPem: string,
  caCertificatePem: string,
  clock: Clock,
): CertificateAuthority {
  const key = createPrivateKey(caKeyPem);
  if (!new X509Certificate(caCertificatePem).checkPrivateKey(key)) {
    throw new Error('the CA key does not belong to the CA certificate');
  }
  const issuer = new ParsedCertificate(caCertificatePem);
  const signingKey = key.toCryptoKey(P256, false, ['sign']);

  const issue = async (
    csrPem: string,
    commonName: string,
    lifetimeMs: number,
    extensions: readonly Extension[],
  ): Promise<IssuedCertificate> => {
    const publicKey = await publicKeyOfCsr(csrPem);
    const subjectKey = publicKey.toCryptoKey(P256, true, ['verify']);
    const serialNumber = newSerial();
    const notAfter = new Date(clock.nowMs() + lifetimeMs);
    const certificate = await X509CertificateGenerator.create(
      {
        serialNumber,
        issuer: issuer.subjectName,
        subject: [{ CN: [commonName] }],
        notBefore: NOT_BEFORE,
        notAfter,
        publicKey: subjectKey,
        signingKey,
        signingAlgorithm: P256_SHA256,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          await SubjectKeyIdentifierExtension.create(subjectKey, false, webcrypto),
          await AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
          ...extensions,
        ],
      },
      webcrypto,
    );
    // What a certificate says has no milliseconds.
    const expiresAt = Math.floor(notAfter.getTime() / 1000) * 1000;
    return { pem: `${certificate.toString('pem')}\n`, keyHash: keyHashOf(publicKey), serial: serialNumber, expiresAt };
  };

  return {
    issueDevice: (csrPem, deviceId) =>
      issue(csrPem, deviceId, DEVICE_CERTIFICATE_LIFETIME_MS, [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
      ]),
    // clientAuth too: a Secondary is the client on the link. A device is known by its key, so this gives nothing away.
    issueServer: (csrPem, name, urls) =>
      issue(csrPem, name, SERVER_CERTIFICATE_LIFETIME_MS, [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        new SubjectAlternativeNameExtension(namesOf(urls)),
      ]),
    sign: statement => signStatement(statement, key),
  };
}

/** 126 random bits, positive and without a leading zero byte in DER. */
function newSerial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

/** Host names and addresses of URLs, as a certificate names them. */
function namesOf(urls: readonly string[]): JsonGeneralName[] {
  const hosts = new Set(urls.map(url => new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')));
  return [...hosts].map(host => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }));
}
