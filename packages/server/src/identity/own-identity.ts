import { X509Certificate } from 'node:crypto';
import type { ServerIdentity } from '../ports.ts';
import { splitPem } from './identity-files.ts';
import { casOf } from './pins.ts';

/** This server's identity while it runs: its certificate is renewed, the site's CA is changed, under one key. */
export type OwnIdentity = {
  /** Always as it is now. */
  readonly identity: ServerIdentity;
  /** For the key that it has. Throws when it cannot be written down: then the old one stays. */
  takeCertificate(pem: string): void;
  /** The CAs that a valid statement names, from those held and those offered. What cannot be written down now is next time. */
  trust(caPins: readonly string[], offered: readonly string[]): void;
  /** Of the certificate, Unix milliseconds. */
  expiresAtMs(): number;
  /** Called after each change. */
  onChange(listener: () => void): () => void;
};

export type IdentityWriter = {
  readonly certificate: (pem: string) => void;
  /** False: not now (a full disk). */
  readonly caCertificates: (pems: readonly string[]) => boolean;
};

export function createOwnIdentity(first: ServerIdentity, save: IdentityWriter): OwnIdentity {
  const { keyPem } = first.tls;
  let { certificatePem } = first.tls;
  let { caCertificates } = first;
  let written = caCertificates.join();
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of listeners) listener();
  };
  return {
    identity: {
      ...first,
      get tls() {
        // What ties the new CA to the old one is shown as long as the old one counts.
        const [leaf = certificatePem] = splitPem(certificatePem);
        return { keyPem, certificatePem: caCertificates.length > 1 ? certificatePem : leaf };
      },
      get caCertificates() {
        return caCertificates;
      },
    },
    takeCertificate(pem) {
      if (new X509Certificate(pem).serialNumber === new X509Certificate(certificatePem).serialNumber) return;
      save.certificate(pem);
      certificatePem = pem;
      changed();
    },
    trust(caPins, offered) {
      const trusted = casOf(caPins, [...caCertificates, ...offered]);
      if (trusted.length === 0) return;
      if (trusted.join() !== written && save.caCertificates(trusted)) written = trusted.join();
      if (trusted.join() === caCertificates.join()) return;
      caCertificates = trusted;
      changed();
    },
    expiresAtMs: () => new X509Certificate(certificatePem).validToDate.getTime(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
