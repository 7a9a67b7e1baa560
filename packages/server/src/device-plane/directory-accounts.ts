import type { DirectoryAccount } from '../directory/directories.ts';
import { type AccountDeps, type DirectoryUser, directoryUser } from './directory-user.ts';

/** Users whose sessions this server has seen since it started; at some 300 bytes 6 MB. */
const MAX_REMEMBERED = 20_000;

/** Who of the directories is in a session, as far as this server knows. */
export type DirectoryAccounts = {
  remember(account: DirectoryAccount): DirectoryUser;
  user(userId: string): DirectoryUser | undefined;
};

export function createDirectoryAccounts(deps: AccountDeps): DirectoryAccounts {
  const held = new Map<string, DirectoryAccount>();
  return {
    remember(account) {
      held.delete(account.userId);
      const [oldest] = held.keys();
      if (held.size >= MAX_REMEMBERED && oldest !== undefined) held.delete(oldest);
      held.set(account.userId, account);
      return directoryUser(deps, account);
    },
    user(userId) {
      const account = held.get(userId);
      return account && directoryUser(deps, account);
    },
  };
}
