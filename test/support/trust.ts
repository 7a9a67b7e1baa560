import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  X509Certificate as ParsedCertificate,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { SignedStatement, SiteStatement, StatementServer } from '@thinman/protocol';
import {
  bridgeCa,
  createSiteCa,
  openCertificateAuthority,
  type SiteCa,
} from '../../packages/server/src/identity/certificate-authority.ts';
import { createCsr, P256, P256_SHA256 } from '../../packages/server/src/identity/csr.ts';
import { keyHashOf } from '../../packages/server/src/identity/key-hash.ts';
import { signStatement } from '../../packages/server/src/identity/statement.ts';
import { DEVICE_ID, SITE_ID } from './ids.ts';
import { manualClock } from './manual-clock.ts';

/** How a server reads a device's certificate request. */
export { publicKeyOfCsr } from '../../packages/server/src/identity/csr.ts';

/** A key and its certificate, PEM. */
export type Credential = { readonly key: string; readonly certificate: string; readonly keyHash: string };

/** What is unusual about a server's certificate. Left out: as a server of the site has it, for 127.0.0.1. */
export type Oddities = {
  readonly name?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly purpose?: 'server' | 'client' | 'none';
  /** PEM; left out: a new one. */
  readonly key?: string;
};

/** A site's CA with all that it signs: real certificates, made by the server's own code where they are right. */
export type Trust = {
  readonly caCertificate: string;
  readonly pin: string;
  server(oddities?: Oddities): Promise<Credential>;
  device(privateKeyPem?: string): Promise<Credential>;
  /** A device's certificate for this key, PEM. */
  certify(publicKey: KeyObject): Promise<string>;
  /** By this CA's key, and by that of the CA before it. */
  sign(statement: SiteStatement, before?: Trust): SignedStatement;
  /** This CA certified by the CA before it, as servers show it while a site changes its CA. PEM. */
  bridgeFrom(before: Trust): Promise<string>;
  readonly ca: SiteCa;
};

/** The trust of a site that is made for it alone. */
export async function createTrust(): Promise<Trust> {
  return trustOf(await createSiteCa(SITE_ID, manualClock().nowMs()));
}

/** The same of a site that is there: with its CA's key. */
export function trustOf(ca: SiteCa): Trust {
  const clock = manualClock();
  const caKey = ca.key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const authority = openCertificateAuthority(caKey, ca.certificatePem, clock);

  return {
    caCertificate: ca.certificatePem,
    pin: keyHashOf(ca.key),
    async server(oddities) {
      const key = oddities?.key === undefined ? newKey() : createPrivateKey(oddities.key);
      const certificate =
        oddities === undefined
          ? (await authority.issueServer(await createCsr(key), 'primary', ['https://127.0.0.1'])).pem
          : await oddCertificate(ca, key, oddities);
      return credential(key, certificate);
    },
    async device(privateKeyPem) {
      const key = privateKeyPem === undefined ? newKey() : createPrivateKey(privateKeyPem);
      return credential(key, (await authority.issueDevice(await createCsr(key), DEVICE_ID)).pem);
    },
    async certify(publicKey) {
      const notBefore = new Date(Date.now() - DAY_MS);
      const certificate = await X509CertificateGenerator.create(
        {
          issuer: new ParsedCertificate(ca.certificatePem).subjectName,
          subject: `CN=${DEVICE_ID}`,
          notBefore,
          notAfter: new Date(Date.now() + DAY_MS),
          publicKey: publicKey.toCryptoKey(P256, true, ['verify']),
          signingKey: ca.key.toCryptoKey(P256, false, ['sign']),
          signingAlgorithm: P256_SHA256,
          extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
        },
        webcrypto,
      );
      return certificate.toString('pem');
    },
    sign: (statement, before) => signStatement(statement, ca.key, before === undefined ? [] : [before.ca.key]),
    bridgeFrom: before => bridgeCa(before.ca, ca.certificatePem),
    ca,
  };
}

/** A statement of the site with these servers, the first of them the Primary. */
export function statementOf(trust: Trust, servers: readonly StatementServer[], version = 1): SiteStatement {
  return {
    siteId: SITE_ID,
    epoch: 1,
    version,
    servers: [...servers],
    caPins: [trust.pin],
    directorySuffixes: [],
  };
}

export function statementServer(url: string, keyHash: string, name = 'primary'): StatementServer {
  return {
    name,
    url,
    role: name === 'primary' ? 'primary' : 'secondary',
    keyHash,
    sessionKey: 'AA',
    wrappingKey: 'AA',
  };
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: P256.namedCurve }).privateKey;
}

function credential(key: KeyObject, certificate: string): Credential {
  return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate, keyHash: keyHashOf(key) };
}

const DAY_MS = 24 * 3_600_000;

async function oddCertificate(
  ca: SiteCa,
  key: KeyObject,
  { name = '127.0.0.1', notBefore, notAfter, purpose = 'server' }: Oddities,
): Promise<string> {
  const usages = { server: [ExtendedKeyUsage.serverAuth], client: [ExtendedKeyUsage.clientAuth], none: [] }[purpose];
  const certificate = await X509CertificateGenerator.create(
    {
      issuer: new ParsedCertificate(ca.certificatePem).subjectName,
      subject: 'CN=odd',
      notBefore: notBefore ?? new Date(Date.now() - DAY_MS),
      notAfter: notAfter ?? new Date(Date.now() + DAY_MS),
      publicKey: createPublicKey(key).toCryptoKey(P256, true, ['verify']),
      signingKey: ca.key.toCryptoKey(P256, false, ['sign']),
      signingAlgorithm: P256_SHA256,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        // All CAs of a site have one name: this tells which of them it was.
        await AuthorityKeyIdentifierExtension.create(
          new ParsedCertificate(ca.certificatePem).publicKey,
          false,
          webcrypto,
        ),
        new SubjectAlternativeNameExtension([{ type: /^[\d.]+$/.test(name) ? 'ip' : 'dns', value: name }]),
        ...(usages.length > 0 ? [new ExtendedKeyUsageExtension(usages)] : []),
      ],
    },
    webcrypto,
  );
  return certificate.toString('pem');
}
