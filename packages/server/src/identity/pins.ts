import { X509Certificate } from 'node:crypto';
import type { CertificateFacts } from '@thinman/protocol';
import { keyHashOfCertificate } from './key-hash.ts';

/** SHA-256 of the key of a CA (PEM): what devices pin. Throws when it is no certificate. */
export function pinOf(caCertificate: string): string {
  return keyHashOfCertificate(new X509Certificate(caCertificate));
}

export function pinsOf(caCertificates: readonly string[]): string[] {
  return caCertificates.map(pinOf);
}

/** The certificates of the CAs with these pins, in their order. What is no certificate is passed over. */
export function casOf(pins: readonly string[], certificates: readonly string[]): string[] {
  const byPin = new Map<string, string>();
  for (const pem of certificates) {
    const pin = caPinOf(pem);
    if (pin !== undefined && !byPin.has(pin)) byPin.set(pin, pem);
  }
  return pins.flatMap(pin => byPin.get(pin) ?? []);
}

function caPinOf(pem: string): string | undefined {
  try {
    const certificate = new X509Certificate(pem);
    return certificate.ca ? keyHashOfCertificate(certificate) : undefined;
  } catch {
    return undefined;
  }
}

/** Which of these CAs issued a certificate (PEM, its chain may follow), and until when it holds. undefined: none of them. */
export function certificateFacts(pem: string, caCertificates: readonly string[]): CertificateFacts | undefined {
  const certificate = new X509Certificate(pem);
  const issuer = caCertificates.find(ca => certificate.verify(new X509Certificate(ca).publicKey));
  return issuer === undefined ? undefined : { issuer: pinOf(issuer), expiresAt: certificate.validToDate.getTime() };
}
