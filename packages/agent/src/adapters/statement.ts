import { verify, X509Certificate } from 'node:crypto';
import { MAX_BODY_BYTES, parseJson, type SignedStatement, SiteStatement, statementBytes } from '@thinman/protocol';
import { spkiHash } from './device-key.ts';

/**
 * The statement inside, if one of these CAs (PEM) signed it; undefined otherwise. With `siteId`, it must also be that
 * site's. Whether it is newer than the one held is another question: `isNewerStatement`.
 */
export function verifyStatement(
  signed: SignedStatement,
  caCertificates: readonly string[],
  siteId?: string,
): SiteStatement | undefined {
  const signer = caCertificates.map(publicKeyOf).find(key => key !== undefined && spkiHash(key) === signed.signedBy);
  if (signer === undefined || signer.asymmetricKeyType !== 'ec') return undefined;
  const valid = verify(
    'sha256',
    statementBytes(signed.statement),
    { key: signer, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signed.signature, 'base64url'),
  );
  if (!valid) return undefined;
  const parsed = parseJson(SiteStatement, signed.statement, MAX_BODY_BYTES);
  if (!parsed.ok || (siteId !== undefined && parsed.value.siteId !== siteId)) return undefined;
  return parsed.value;
}

function publicKeyOf(certificate: string) {
  try {
    return new X509Certificate(certificate).publicKey;
  } catch {
    return undefined;
  }
}
