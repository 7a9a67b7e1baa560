import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { keyHashOfCertificate } from '../identity/key-hash.ts';

/** Hash of the key that the other side of a TLS connection has proved. undefined: none, or one that the site's CA did not sign. */
export function authorizedPeerKey(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined;
  const raw = socket.getPeerCertificate().raw as Buffer | undefined;
  return raw === undefined ? undefined : keyHashOf(raw);
}

/** undefined: no certificate, or a key that Node cannot read. */
export function keyHashOf(der: Buffer): string | undefined {
  try {
    return keyHashOfCertificate(new X509Certificate(der));
  } catch {
    return undefined;
  }
}
