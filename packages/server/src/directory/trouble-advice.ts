import { type BindResult, NoAnswer, type Refused } from './connection.ts';

/** By the code of Node's error (OpenSSL's where it is one of TLS): what to do about it. */
const BY_CODE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: check the port (636 for ldaps, 389 for ldap), and whether it runs',
  ENOTFOUND: 'the name is not known here: check it, and the DNS of this server',
  EAI_AGAIN: 'the DNS of this server does not answer',
  EHOSTUNREACH: 'there is no way there from this server: check the network',
  ENETUNREACH: 'there is no way there from this server: check the network',
  ETIMEDOUT: 'nothing answers: check the address, and the firewalls between',
  ECONNRESET: 'it hangs up: ldaps:// needs a port that speaks TLS from the start',
  EPROTO: 'it speaks no TLS that is taken here: check the port, and that it knows TLS 1.2 or newer',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks no TLS on this port: use ldap:// with startTls, or the port of ldaps',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it knows no TLS 1.2: bring it up to date',
  ERR_TLS_CERT_ALTNAME_INVALID: 'write the name of its certificate into the URL, or into tlsServerName',
  CERT_HAS_EXPIRED: 'renew its certificate',
  CERT_NOT_YET_VALID: 'its certificate begins later: check the clock of this server',
};

/** Codes that say: not by a CA that is trusted here. */
const CA_CODES: readonly string[] = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
];
const CA_ADVICE = 'put the CA that made its certificate (PEM) into ca';

/** What to do about a server of a directory that gave no answer, or another one than was asked for. */
export function adviceOn(error: NoAnswer | Refused): string {
  const code = codeOf(error);
  if (code !== undefined && CA_CODES.includes(code)) return CA_ADVICE;
  if (code !== undefined && BY_CODE[code] !== undefined) return BY_CODE[code];
  if (error instanceof NoAnswer && error.silent) return 'it is silent: check the address, and the firewalls between';
  return 'check urls, startTls and what its own log says';
}

function codeOf(error: Error): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return undefined;
}

const INVALID_CREDENTIALS = 49;
/** A server that wants a safer way for a password than this (RFC 4511, A.1). */
const STRONGER_AUTH_REQUIRED = 8;
const CONFIDENTIALITY_REQUIRED = 13;

/** Why the service account is refused. The password is not in it. */
export function serviceAccountAdvice(
  dn: string,
  { code, diagnostic }: Extract<BindResult, { kind: 'refused' }>,
): { readonly found: string; readonly advice: string } {
  const said = diagnostic.trim();
  const found = `${dn} is refused${said === '' ? '' : `: ${said}`} (LDAP ${code})`;
  switch (code) {
    case INVALID_CREDENTIALS:
      return { found, advice: 'check bindDn and bindPassword, and whether the account is locked or has expired' };
    case STRONGER_AUTH_REQUIRED:
    case CONFIDENTIALITY_REQUIRED:
      return { found, advice: 'it takes passwords over TLS alone: use ldaps:// or startTls' };
    default:
      return { found, advice: 'check bindDn: a DN, or in Active Directory a name like thinman@lab.test' };
  }
}
