import 'reflect-metadata';
import { createPublicKey, type KeyObject, webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { CsrRefused } from './errors.ts';
import { keyHashOf } from './key-hash.ts';

/** Keys and signatures of the site: ECDSA on P-256. */
export const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;
export const P256_SHA256 = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A request that says nothing but "this key": who it is for is decided by who signs. */
export async function createCsr(key: KeyObject): Promise<string> {
  const keys = {
    privateKey: key.toCryptoKey(P256, true, ['sign']),
    publicKey: createPublicKey(key).toCryptoKey(P256, true, ['verify']),
  };
  const csr = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: P256_SHA256 }, webcrypto);
  return csr.toString('pem');
}

/** The public key of a request, and nothing else of it. Throws CsrRefused. */
export async function publicKeyOfCsr(pem: string): Promise<KeyObject> {
  let csr: Pkcs10CertificateRequest;
  let key: KeyObject;
  try {
    csr = new Pkcs10CertificateRequest(pem);
    key = createPublicKey({ key: Buffer.from(csr.publicKey.rawData), format: 'der', type: 'spki' });
  } catch {
    throw new CsrRefused('this is not a certificate request (PKCS #10, PEM)');
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new CsrRefused('the key of the certificate request is not an ECDSA key on P-256');
  }
  if (!(await csr.verify(webcrypto).catch(() => false))) {
    throw new CsrRefused('the certificate request is not signed by its own key');
  }
  return key;
}

/** Hash of the key of a request; undefined when it is none that the site takes. */
export async function keyHashOfCsr(pem: string): Promise<string | undefined> {
  try {
    return keyHashOf(await publicKeyOfCsr(pem));
  } catch (error) {
    if (error instanceof CsrRefused) return undefined;
    throw error;
  }
}
