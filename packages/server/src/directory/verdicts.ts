import type { VerdictCode } from '@thinman/protocol';
import type { BindResult } from './connection.ts';

/**
 * Active Directory says why it refuses a bind in the diagnostic message of `invalidCredentials`, and nowhere else: `… data 52e, …`.
 * @see https://learn.microsoft.com/en-us/windows/win32/debug/system-error-codes--1300-1699-
 */
const SUB_CODES: Readonly<Record<string, VerdictCode>> = {
  '525': 'credentials_invalid', // no such user: never told apart from a wrong password
  '52e': 'credentials_invalid',
  '52f': 'not_permitted', // account restrictions
  '530': 'not_permitted', // not at this hour
  '531': 'not_permitted', // not from this workstation
  '532': 'password_expired',
  '533': 'account_disabled',
  '534': 'not_permitted', // this type of logon is not granted
  '568': 'not_permitted', // too many groups for a token
  '701': 'account_expired',
  '773': 'password_expired', // must be changed first
  '775': 'account_locked',
};
const SUB_CODE = /\bdata ([0-9a-f]{3,4})\b/i;

/** LDAP result codes (RFC 4511, A.1) that are a word about the account. */
const NO_SUCH_OBJECT = 32;
const INVALID_DN_SYNTAX = 34;
const CONSTRAINT_VIOLATION = 19;
const INAPPROPRIATE_AUTHENTICATION = 48;
const INVALID_CREDENTIALS = 49;
const INSUFFICIENT_ACCESS = 50;

/** Errors of the password policy control. */
const POLICY_VERDICTS: readonly (VerdictCode | undefined)[] = [
  'password_expired',
  'account_locked',
  'password_expired',
];

/** What a bind says of the user; `granted`, a verdict, or `trouble`: nothing, the directory cannot or will not be asked like this. */
export function verdictOf(result: BindResult): 'granted' | 'trouble' | VerdictCode {
  const told = result.policy.error === undefined ? undefined : POLICY_VERDICTS[result.policy.error];
  if (told !== undefined) return told;
  if (result.kind === 'bound') return 'granted';
  switch (result.code) {
    case INVALID_CREDENTIALS: {
      const code = SUB_CODE.exec(result.diagnostic)?.[1]?.toLowerCase();
      return (code === undefined ? undefined : SUB_CODES[code]) ?? 'credentials_invalid';
    }
    case NO_SUCH_OBJECT:
    case INVALID_DN_SYNTAX:
    case INAPPROPRIATE_AUTHENTICATION: // an entry without a password
      return 'credentials_invalid';
    // 389 Directory Server: too many wrong passwords.
    case CONSTRAINT_VIOLATION:
      return 'account_locked';
    case INSUFFICIENT_ACCESS:
      return 'not_permitted';
    default:
      return 'trouble';
  }
}
