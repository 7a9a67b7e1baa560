import type { UserSystem } from '@thinman/protocol';
import type { AppliedChange } from '../../ports.ts';
import type { DirectoryAccounts } from '../directory-accounts.ts';
import { isDirectoryUserId } from '../directory-user.ts';
import type { Connection } from './connection.ts';

/**
 * Sessions of directories' users of whom this change says something (`disabled`, `sessionsNotBefore`). Their ids are the directory's: the
 * object has nothing of them but the name. Who is not known here by name hears of it at the next refresh.
 */
export function directorySessions(
  change: AppliedChange,
  connections: Iterable<Connection>,
  accounts: Pick<DirectoryAccounts, 'nameOf'> | undefined,
): readonly { readonly connection: Connection; readonly userId: string }[] {
  const said = new Set<string>();
  for (const { kind, name, system } of change.objects) {
    if (kind === 'User' && (system as UserSystem).credential === undefined) said.add(name);
  }
  if (accounts === undefined || said.size === 0) return [];
  return [...connections].flatMap(connection => {
    const userId = connection.greeted ? connection.sessionUser : undefined;
    const name = userId !== undefined && isDirectoryUserId(userId) ? accounts.nameOf(userId) : undefined;
    return userId !== undefined && name !== undefined && said.has(name) ? [{ connection, userId }] : [];
  });
}
