import { type VerdictCode, type WeekHours, weekHours } from '@thinman/protocol';
import type { Entry } from 'ldapts';
import { bytesOf, integerOf, textOf } from './entry.ts';
import type { PolicyState } from './password-policy.ts';

/** userAccountControl and msDS-User-Account-Control-Computed (MS-ADTS 2.2.16, 3.1.1.4.5.17). */
const AD_DISABLED = 0x2n;
/** A moment as 100 ns since 1601. */
const FILETIME_PER_MS = 10_000n;
const FILETIME_UNIX_MS = 11_644_473_600_000;
const NEVER = 0x7fff_ffff_ffff_ffffn;

const DAY_MS = 24 * 60 * 60_000;
/** A password that expires within this time is told of, as with local users. */
const EXPIRES_SOON_MS = 7 * DAY_MS;

/** What is read of a user, beside what the name is found by. */
export const AD_STATE = [
  'userAccountControl',
  'accountExpires',
  'msDS-UserPasswordExpiryTimeComputed',
  'logonHours',
] as const;
export const LDAP_STATE = ['nsAccountLock', 'shadowExpire', 'pwdReset', 'pwdAccountLockedTime'] as const;

/** Locked by an administrator, for ever (draft-behera, 5.3.3). */
const LOCKED_FOR_EVER = '000001010000Z';

/** What the entry says against its user, whoever knows the password: disabled or expired. */
export function refusalOf(entry: Entry, nowMs: number): VerdictCode | undefined {
  if (((integerOf(entry, 'userAccountControl') ?? 0n) & AD_DISABLED) !== 0n) return 'account_disabled';
  if (textOf(entry, 'nsAccountLock')?.toLowerCase() === 'true') return 'account_disabled';
  if (textOf(entry, 'pwdAccountLockedTime') === LOCKED_FOR_EVER) return 'account_locked';
  const expiresMs = filetimeMs(integerOf(entry, 'accountExpires'));
  if (expiresMs !== undefined && expiresMs <= nowMs) return 'account_expired';
  const shadowDays = Number(integerOf(entry, 'shadowExpire') ?? 0n);
  if (shadowDays > 0 && shadowDays * DAY_MS <= nowMs) return 'account_expired';
  return undefined;
}

/** When the directory lets this user in; undefined: at any time, or nobody may read it. */
export function hoursOf(entry: Entry): WeekHours | undefined {
  const bytes = bytesOf(entry, 'logonHours');
  return bytes === undefined ? undefined : weekHours(bytes);
}

/** Set by an administrator: to be changed before anything else. AD refuses the bind by itself. */
export function mustChange(entry: Entry): boolean {
  return textOf(entry, 'pwdReset')?.toLowerCase() === 'true';
}

/** Words for a user whose password expires soon. */
export function expiryWarning(entry: Entry, policy: PolicyState, nowMs: number): string | undefined {
  const inMs = policy.expiresInS === undefined ? undefined : policy.expiresInS * 1000;
  const atMs = inMs === undefined ? filetimeMs(integerOf(entry, 'msDS-UserPasswordExpiryTimeComputed')) : nowMs + inMs;
  if (atMs === undefined || atMs <= nowMs || atMs - nowMs > EXPIRES_SOON_MS) return undefined;
  return `The password expires on ${new Date(atMs).toISOString().slice(0, 'YYYY-MM-DD'.length)}.`;
}

function filetimeMs(filetime: bigint | undefined): number | undefined {
  if (filetime === undefined || filetime <= 0n || filetime >= NEVER) return undefined;
  return Number(filetime / FILETIME_PER_MS) - FILETIME_UNIX_MS;
}
