import { type KeyObject, sign, verify, X509Certificate } from 'node:crypto';
import { encodeStatement, parseJson, type SignedStatement, SiteStatement, statementBytes } from '@thinman/protocol';
import { keyHashOf, keyHashOfCertificate } from './key-hash.ts';

/** Far above 64 servers with the longest URLs; bounds the work on a forged one. */
export const MAX_STATEMENT_CHARS = 128 * 1024;
const SIGNATURE_FORM = 'ieee-p1363';

/** `cosigners`: the keys of the other CAs, while the CA is changed. */
export function signStatement(
  statement: SiteStatement,
  caKey: KeyObject,
  cosigners: readonly KeyObject[] = [],
): SignedStatement {
  const text = encodeStatement(statement);
  const bytes = statementBytes(text);
  const signatureOf = (key: KeyObject) => ({
    signature: sign('sha256', bytes, { key, dsaEncoding: SIGNATURE_FORM }).toString('base64url'),
    signedBy: keyHashOf(key),
  });
  const cosignatures = cosigners.map(signatureOf);
  return { statement: text, ...signatureOf(caKey), ...(cosignatures.length > 0 && { cosignatures }) };
}

/** Reads a statement that one of these CAs (PEM) has signed. undefined: forged, changed, or not in the right form. */
export function verifyStatement(signed: SignedStatement, caCertificates: readonly string[]): SiteStatement | undefined {
  const cas = caCertificates.map(pem => new X509Certificate(pem));
  const bytes = statementBytes(signed.statement);
  const isSigned = [signed, ...(signed.cosignatures ?? [])].some(({ signature, signedBy }) => {
    const ca = cas.find(certificate => keyHashOfCertificate(certificate) === signedBy);
    const key = ca && ({ key: ca.publicKey, dsaEncoding: SIGNATURE_FORM } as const);
    return key !== undefined && verify('sha256', bytes, key, Buffer.from(signature, 'base64url'));
  });
  const parsed = isSigned ? parseJson(SiteStatement, signed.statement, MAX_STATEMENT_CHARS) : undefined;
  return parsed?.ok ? parsed.value : undefined;
}
