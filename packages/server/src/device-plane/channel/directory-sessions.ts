import type { UserBody, UserSystem } from '@thinman/protocol';
import type { Directories } from '../../directory/directories.ts';
import type { AppliedChange, Replica } from '../../ports.ts';
import { accountRefusal } from '../account.ts';
import type { DirectoryAccounts } from '../directory-accounts.ts';
import { isDirectoryUserId, ownWords } from '../directory-user.ts';
import { momentOf } from '../session-gate.ts';
import type { Connection } from './connection.ts';

type Known = {
  readonly accounts: Pick<DirectoryAccounts, 'nameOf'>;
  readonly directories: Pick<Directories, 'keysOf'>;
};
type DirectorySession = { readonly connection: Connection; readonly userId: string };

/** What the directory may call whoever of it works there: as this server has heard, else by what the device says. */
function namesThere({ sessionUser, sessionName }: Connection, { accounts, directories }: Known): readonly string[] {
  if (sessionUser === undefined || !isDirectoryUserId(sessionUser)) return [];
  const known = accounts.nameOf(sessionUser);
  if (known !== undefined) return [known];
  return sessionName === undefined ? [] : directories.keysOf(sessionName);
}

/**
 * Sessions of directories' users of whom this change says something (`disabled`, `sessionsNotBefore`). Their ids are the directory's: the
 * object has nothing of them but the name.
 */
export function directorySessions(
  change: AppliedChange,
  connections: Iterable<Connection>,
  known: Known,
): readonly DirectorySession[] {
  const said = new Set<string>();
  for (const { kind, name, system } of change.objects) {
    if (kind === 'User' && (system as UserSystem).credential === undefined) said.add(name);
  }
  if (said.size === 0) return [];
  return [...connections].flatMap(connection => {
    const { greeted, sessionUser: userId } = connection;
    if (!greeted || userId === undefined) return [];
    return namesThere(connection, known).some(name => said.has(name)) ? [{ connection, userId }] : [];
  });
}

/**
 * Whether something has been said against the session with which a device comes: while it was away, or this server was. The device asks,
 * and is told by what its token says: its own word of name and time decides nothing.
 */
export function isSaidAgainst(
  connection: Connection,
  known: Known & { readonly replica: Pick<Replica, 'get'>; readonly nowMs: number },
): boolean {
  const { sessionLogin } = connection;
  return namesThere(connection, known).some(name => {
    const body: UserBody = ownWords(known.replica, name);
    if (accountRefusal(body, known.nowMs) !== undefined) return true;
    const { sessionsNotBefore } = body;
    if (sessionsNotBefore === undefined || sessionLogin === undefined) return false;
    return momentOf(sessionLogin) < Date.parse(sessionsNotBefore);
  });
}
