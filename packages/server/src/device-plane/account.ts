import type { UserBody, VerdictCode } from '@thinman/protocol';

const DAY_MS = 24 * 60 * 60_000;
/** While no Primary is reachable nobody can change a password: an expired one is granted for a week (`failover.md`). */
const EXPIRED_PASSWORD_GRACE_MS = 7 * DAY_MS;
/** A password that expires within this time is told of. */
const EXPIRES_SOON_MS = 7 * DAY_MS;

/** What stands in the way of a user whose credential is right. */
export function accountRefusal(user: UserBody, nowMs: number): VerdictCode | undefined {
  if (user.disabled === true) return 'account_disabled';
  if (user.locked === true) return 'account_locked';
  if (user.expiresAt !== undefined && Date.parse(user.expiresAt) <= nowMs) return 'account_expired';
  return undefined;
}

/** `ok`, perhaps with words for the user, or `expired`. */
export function passwordAge(
  user: UserBody,
  nowMs: number,
  primaryReachable: boolean,
): { readonly kind: 'expired' } | { readonly kind: 'ok'; readonly warning?: string } {
  if (user.passwordExpiresAt === undefined) return { kind: 'ok' };
  const leftMs = Date.parse(user.passwordExpiresAt) - nowMs;
  if (leftMs > EXPIRES_SOON_MS) return { kind: 'ok' };
  const day = user.passwordExpiresAt.slice(0, 'YYYY-MM-DD'.length);
  if (leftMs > 0) return { kind: 'ok', warning: `The password expires on ${day}.` };
  if (primaryReachable || leftMs < -EXPIRED_PASSWORD_GRACE_MS) return { kind: 'expired' };
  return { kind: 'ok', warning: `The password expired on ${day}; it must be changed when the Primary is back.` };
}
