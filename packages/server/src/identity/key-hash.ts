import { createHash, createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { p256KeyInfoIn } from '@thinman/protocol';

/** SHA-256 of a public key's SPKI DER, base64url without padding: what a device or a server *is*. */
export function keyHashOf(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return hashSpki(publicKey.export({ type: 'spki', format: 'der' }));
}

/** The same of a certificate. Throws when its key is of a kind that Node cannot read: a stranger's, never ours. */
export function keyHashOfCertificate(certificate: X509Certificate): string {
  const info = p256KeyInfoIn(certificate.raw);
  return info === undefined ? keyHashOf(certificate.publicKey) : hashSpki(info);
}

export function hashSpki(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('base64url');
}
