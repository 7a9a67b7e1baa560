import { type KeyObject, sign, verify, X509Certificate } from 'node:crypto';
import { encodeStatement, parseJson, type SignedStatement, SiteStatement, statementBytes } from '@thinman/protocol';
import { keyHashOf, keyHashOfCertificate } from './key-hash.ts';

/** Far above 64 servers with the longest URLs; bounds the work on a forged one. */
const MAX_STATEMENT_CHARS = 128 * 1024;
const SIGNATURE_FORM = 'ieee-p1363';

export function signStatement(statement: SiteStatement, caKey: KeyObject): SignedStatement {
  const text = encodeStatement(statement);
  const signature = sign('sha256', statementBytes(text), { key: caKey, dsaEncoding: SIGNATURE_FORM });
  return { statement: text, signature: signature.toString('base64url'), signedBy: keyHashOf(caKey) };
}

/** Reads a statement that one of these CAs (PEM) has signed. undefined: forged, changed, or not in the right form. */
export function verifyStatement(signed: SignedStatement, caCertificates: readonly string[]): SiteStatement | undefined {
  const ca = caCertificates
    .map(pem => new X509Certificate(pem))
    .find(certificate => keyHashOfCertificate(certificate) === signed.signedBy);
  if (ca === undefined) return undefined;
  const signature = Buffer.from(signed.signature, 'base64url');
  const key = { key: ca.publicKey, dsaEncoding: SIGNATURE_FORM } as const;
  if (!verify('sha256', statementBytes(signed.statement), key, signature)) return undefined;
  const parsed = parseJson(SiteStatement, signed.statement, MAX_STATEMENT_CHARS);
  return parsed.ok ? parsed.value : undefined;
}
