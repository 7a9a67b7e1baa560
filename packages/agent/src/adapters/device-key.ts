import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from 'node:crypto';
import { p256KeyInfoIn } from '@thinman/protocol';

/** A new P-256 key, PKCS#8 PEM. Made at the first attempt to enrol, never in an image. */
export function generateDeviceKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

/** SHA-256 of the public key's SPKI (DER), base64url: how keys are named in this system. */
export function spkiHash(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

/** The same of a certificate, PEM or DER. Throws when it is none. */
export function certificateKeyHash(certificate: string | Uint8Array | X509Certificate): string {
  const read = certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate);
  const info = p256KeyInfoIn(read.raw);
  return info === undefined ? spkiHash(read.publicKey) : createHash('sha256').update(info).digest('base64url');
}

/** Whether this PEM is a certificate of one of these CAs for this private key. */
export function isCertificateFor(pem: string, key: KeyObject, caCertificates: readonly string[]): boolean {
  try {
    return new X509Certificate(pem).checkPrivateKey(key) && issuerOf(pem, caCertificates) !== undefined;
  } catch {
    return false;
  }
}

/** The pin of that one of these CAs which signed this certificate. Throws when it is none. */
export function issuerOf(pem: string, caCertificates: readonly string[]): string | undefined {
  const certificate = new X509Certificate(pem);
  const issuer = caCertificates.find(ca => certificate.verify(new X509Certificate(ca).publicKey));
  return issuer === undefined ? undefined : certificateKeyHash(issuer);
}

/** CA certificates by their pins, in the order of the pins. A certificate that is no CA's, or is none, is of no use. */
export function casOf(pins: readonly string[], certificates: readonly string[]): readonly string[] {
  return pins.flatMap(pin => certificates.find(pem => caPinOf(pem) === pin) ?? []);
}

function caPinOf(pem: string): string | undefined {
  try {
    const certificate = new X509Certificate(pem);
    return certificate.ca ? spkiHash(certificate.publicKey) : undefined;
  } catch {
    return undefined;
  }
}

const SEQUENCE = 0x30;
const SET = 0x31;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
const CONTEXT_0 = 0xa0;
const VERSION_0 = Buffer.from('020100', 'hex');
const OID_COMMON_NAME = Buffer.from('0603550403', 'hex');
const OID_ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');

/** One DER element: tag, length in the shortest form, content. */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const length = body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
}

/**
 * A PKCS#10 certificate request (RFC 2986), PEM, signed with ECDSA and SHA-256. Written by hand because it is all of
 * ASN.1 that a device needs; from it servers take the public key alone.
 */
export function createCsr(privateKeyPem: string, commonName: string): string {
  const key = createPrivateKey(privateKeyPem);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, OID_COMMON_NAME, der(UTF8_STRING, Buffer.from(commonName)))));
  const info = der(SEQUENCE, VERSION_0, name, spki, der(CONTEXT_0));
  const signature = sign('sha256', info, key);
  const request = der(SEQUENCE, info, der(SEQUENCE, OID_ECDSA_WITH_SHA256), der(BIT_STRING, Buffer.of(0), signature));
  const lines = request.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`;
}
