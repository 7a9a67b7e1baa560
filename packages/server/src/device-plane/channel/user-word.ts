import type { OfflineRules, UserBody, UserSystem, UserWord } from '@thinman/protocol';
import type { Replica, StoredObject } from '../../ports.ts';
import { accountRefusal } from '../account.ts';
import { isDirectoryUserId } from '../directory-user.ts';

/** What this server knows of a user, and the name that the user has here. */
export type KnownWord = { readonly word: UserWord; readonly name: string | undefined };

/**
 * The word about one user, by id alone. An id that is not here was deleted, or is newer than this replica: the subject (the
 * replica's own version) lets a device that knows more ignore it.
 */
export function userWord(
  deps: {
    readonly replica: Pick<Replica, 'site' | 'findByUid'>;
    /** By policy, on the device that is told. */
    readonly offline: (user: StoredObject) => Pick<OfflineRules, 'allowed' | 'keep'>;
    readonly nowMs: number;
  },
  userId: string,
): KnownWord | undefined {
  const version = deps.replica.site()?.version;
  if (version === undefined) return undefined;
  // Of a directory's users servers hold nothing: theirs are words of the directory, told at logins and with sessions.
  if (isDirectoryUserId(userId)) return undefined;
  const user = deps.replica.findByUid('User', userId);
  const subject = { epoch: version.epoch, generation: (user ?? version).generation };
  if (user === undefined || user.deleted) {
    const word: UserWord = { userId, state: 'deleted', credentialVersion: 0, offlineAllowed: false, subject };
    return { word, name: user?.name };
  }
  const body = user.body as UserBody;
  const refusal = accountRefusal(body, deps.nowMs);
  const { allowed, keep } = deps.offline(user);
  const word: UserWord = {
    userId,
    state: refusal === 'account_disabled' ? 'disabled' : 'ok',
    credentialVersion: (user.system as UserSystem).credential?.version ?? 0,
    // Whom a server would refuse for another reason (locked, expired) must not get in offline either.
    offlineAllowed: refusal === undefined && allowed,
    ...(keep === false && { keep }),
    subject,
  };
  return { word, name: user.name };
}
