import { X509Certificate } from 'node:crypto';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import type { StatementServer } from '@thinman/protocol';
import { keyHashOfCertificate } from '../identity/key-hash.ts';
import type { ServerIdentity } from '../ports.ts';

/** How a Secondary meets the Primary: a valid chain, its URL's name, *and* the key that the site statement says. */
export function primaryTls(
  identity: Pick<ServerIdentity, 'tls' | 'caCertificates'>,
  primary: Pick<StatementServer, 'keyHash'>,
): Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'minVersion' | 'checkServerIdentity'> {
  return {
    ca: [...identity.caCertificates],
    cert: identity.tls.certificatePem,
    key: identity.tls.keyPem,
    minVersion: 'TLSv1.3',
    checkServerIdentity: (host, certificate) => {
      const wrongName = checkServerIdentity(host, certificate);
      if (wrongName !== undefined) return wrongName;
      return keyHashOfCertificate(new X509Certificate(certificate.raw)) === primary.keyHash
        ? undefined
        : new Error('the key of this server is not in the site statement');
    },
  };
}
