import { SESSION_LIFETIME_MS } from '@thinman/protocol';
import type { DirectoryAccount } from '../directory/directories.ts';
import type { Clock, SessionClaims } from '../ports.ts';
import {
  type AccountDeps,
  accountOfClaims,
  claimsOfAccount,
  type DirectoryUser,
  directoryUser,
} from './directory-user.ts';

/** Users whose sessions this server has seen since it started; at some 300 bytes 6 MB. */
const MAX_REMEMBERED = 20_000;

/** Who of the directories is in a session, as far as this server knows. */
export type DirectoryAccounts = {
  /** The directory has just said so; `saidMs`: this server's time of that. */
  remember(account: DirectoryAccount, saidMs?: number): DirectoryUser;
  user(userId: string): DirectoryUser | undefined;
  /** What the directory calls this user. */
  nameOf(userId: string): string | undefined;
  /**
   * The user of a session, by the newest word of the directory: what this server has heard, or what another one has put into the
   * session's token. `isWhole`: with all groups that matter here; a token has no room for hundreds. `claims`: with that word in them.
   */
  ofClaims(claims: SessionClaims): KnownSessionUser | undefined;
};
type KnownSessionUser = { readonly user: DirectoryUser; readonly isWhole: boolean; readonly claims: SessionClaims };

export function createDirectoryAccounts(
  deps: AccountDeps & { readonly clock: Pick<Clock, 'nowMs'> },
): DirectoryAccounts {
  /** All with all their groups. */
  const held = new Map<string, { readonly account: DirectoryAccount; readonly saidMs: number }>();

  function hold(account: DirectoryAccount, saidMs: number): DirectoryUser {
    held.delete(account.userId);
    const [oldest] = held.keys();
    if (held.size >= MAX_REMEMBERED && oldest !== undefined) held.delete(oldest);
    held.set(account.userId, { account, saidMs });
    return directoryUser(deps, account);
  }

  return {
    remember: (account, saidMs = deps.clock.nowMs()) => hold(account, saidMs),
    user(userId) {
      const known = held.get(userId);
      return known && directoryUser(deps, known.account);
    },
    nameOf: userId => held.get(userId)?.account.name,
    ofClaims(claims) {
      const { userId, directory, expiresAt } = claims;
      const account = accountOfClaims(claims);
      if (directory === undefined || account === undefined) return undefined;
      const saidMs = directory.saidAt ?? expiresAt - SESSION_LIFETIME_MS;
      const known = held.get(userId);
      if (known !== undefined && known.saidMs >= saidMs) {
        const newest = claimsOfAccount(deps.site, known.account, known.saidMs);
        return { user: directoryUser(deps, known.account), isWhole: true, claims: { ...claims, directory: newest } };
      }
      if (directory.isCut === true) return { user: directoryUser(deps, account), isWhole: false, claims };
      return { user: hold(account, saidMs), isWhole: true, claims };
    },
  };
}
