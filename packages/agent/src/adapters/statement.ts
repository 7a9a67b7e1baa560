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
  const keys = caCertificates.map(publicKeyOf).filter(key => key?.asymmetricKeyType === 'ec');
  const bytes = statementBytes(signed.statement);
  const valid = [signed, ...(signed.cosignatures ?? [])].some(({ signature, signedBy }) => {
    const key = keys.find(each => each !== undefined && spkiHash(each) === signedBy);
    if (key === undefined) return false;
    return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  });
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
