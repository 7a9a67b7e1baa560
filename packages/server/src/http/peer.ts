import { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { keyHashOfCertificate } from '../identity/key-hash.ts';

/** Who is at the other end of a TLS connection. */
export type Peer = {
  /** SHA-256 of the SPKI of its key, base64url: it has proved that it holds that key. */
  readonly keyHash: string;
  /** Its certificate is one of the site's CA, for a client, and valid now. */
  readonly authorized: boolean;
  /** Its time is over. OpenSSL tells the last error alone: more may be wrong with it (`isExpiredOfSite`). */
  readonly expired: boolean;
};

const cached = new WeakMap<object, Peer | undefined>();

/**
 * Reads the certificate once a connection. undefined: none was sent, or its key is of a kind that Node cannot read. The
 * name in it is never looked at: a device is its key (`traps.md`).
 */
export function devicePeer(socket: object): Peer | undefined {
  if (!cached.has(socket)) cached.set(socket, readPeer(socket));
  return cached.get(socket);
}

const EKU_CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** Nothing but its time is wrong with the certificate at the other end: a known key may renew it. */
export function isExpiredOfSite(socket: object, caCertificates: readonly string[]): boolean {
  if (!(socket instanceof TLSSocket) || devicePeer(socket)?.expired !== true) return false;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || certificate.ca) return false;
  const isSigned = caCertificates.some(pem => certificate.verify(new X509Certificate(pem).publicKey));
  return isSigned && (certificate.keyUsage ?? []).includes(EKU_CLIENT_AUTH);
}

/** What the certificate at the other end says of itself: for people to read, never to decide by. */
export type CertificateWords = {
  /** Its common name. */
  readonly name: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
};

export function certificateWords(socket: object): CertificateWords | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) return undefined;
  const { subject = '', serialNumber, validToDate } = certificate;
  const name = /^CN=(.*)$/m.exec(subject)?.[1] ?? '';
  return { name, serial: serialNumber.toLowerCase(), expiresAt: validToDate.getTime() };
}

function readPeer(socket: object): Peer | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  try {
    const keyHash = keyHashOfCertificate(certificate);
    // Node's types say Error; what it sets on a server's socket is OpenSSL's code as a string.
    const why: unknown = socket.authorizationError;
    return { keyHash, authorized: socket.authorized, expired: String(why) === 'CERT_HAS_EXPIRED' };
  } catch {
    return undefined;
  }
}
