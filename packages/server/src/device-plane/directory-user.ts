import { createHash } from 'node:crypto';
import { canonicalJson, type UserBody, type UserSystem, type WeekHours } from '@thinman/protocol';
import type { DirectoryAccount } from '../directory/directories.ts';
import type { DirectoryClaims, Replica, SessionClaims, StoredObject } from '../ports.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { SiteView } from './site-view.ts';

export type AccountDeps = {
  readonly replica: Pick<Replica, 'get'>;
  readonly site: Pick<SiteView, 'config' | 'settings'>;
};

/** What a directory says of its user beside the body. */
export type DirectoryUserSystem = { readonly directoryHours?: WeekHours };

export type DirectoryUser = StoredObject & { readonly body: UserBody };

/** Six bytes are a whole number in JavaScript. */
const STAMP_BYTES = 6;

/** Does this name belong to a directory? A local user with a password goes before. */
export function isDirectoryUser({ directories, replica }: Pick<DeviceDeps, 'directories' | 'replica'>, typed: string) {
  if (directories.claims(typed) === 'none') return false;
  const local = replica.get('User', typed.normalize('NFC'));
  return (local?.system as UserSystem | undefined)?.credential === undefined;
}

/**
 * A directory's user as the rest of the server knows users. Needs no object; a User object of the account's name, without a password,
 * adds what ThinMan alone knows: `disabled`, `unlockedAt`, `offlineLogin`, `sessionsNotBefore`, more groups.
 */
export function directoryUser({ replica, site }: AccountDeps, account: DirectoryAccount): DirectoryUser {
  const { userId: uid, name, displayName, hours } = account;
  const own = ownWords(replica, name);
  const groups = groupsOfSite(site, account.groups);
  const body: UserBody = {
    ...(displayName !== undefined && { displayName }),
    ...own,
    groups: [...new Set([...groups, ...(own.groups ?? [])])].toSorted(),
  };
  const system: DirectoryUserSystem = hours === undefined ? {} : { directoryHours: hours };
  const said = hours === undefined ? body : { body, system };
  const stamp = createHash('sha256').update(canonicalJson(said)).digest().readUIntBE(0, STAMP_BYTES);
  return { kind: 'User', name, uid, generation: stamp, body, system, deleted: false };
}

/** Groups that the site knows: of a directory's hundreds the others give nothing, and would make bundles change for nothing. */
export function groupsOfSite({ config, settings }: AccountDeps['site'], groups: readonly string[]): readonly string[] {
  const excluded = settings().offline?.excludedGroups ?? [];
  return groups.filter(group => config().userGroups.has(group) || excluded.includes(group));
}

/** A token has 4,096 characters in all (`session-tokens.ts`): these are half of them, and some 80 names. */
const MAX_GROUP_BYTES = 1_800;

/**
 * What a session's token says of the user, so that every server can serve the session, and without the directory. `saidMs`: when the
 * directory said it. A list that was cut says so: who would take it for the whole would give the user fewer policies, and other places.
 */
export function claimsOfAccount(
  site: AccountDeps['site'],
  { groups, displayName, hours }: DirectoryAccount,
  saidMs: number,
): DirectoryClaims {
  let room = MAX_GROUP_BYTES;
  const all = groupsOfSite(site, groups);
  const fitting = all.filter(group => {
    room -= Buffer.byteLength(group) + 3;
    return room >= 0;
  });
  return {
    groups: fitting,
    ...(displayName !== undefined && { displayName }),
    ...(hours !== undefined && { hours }),
    saidAt: saidMs,
    ...(fitting.length < all.length && { isCut: true }),
  };
}

/** The account as a token tells of it. */
export function accountOfClaims({ userId, user, directory }: SessionClaims): DirectoryAccount | undefined {
  if (directory === undefined) return undefined;
  const { displayName, groups, hours } = directory;
  return { userId, name: user, displayName, groups, ...(hours !== undefined && { hours }) };
}

/** What an administrator has written about a directory's user. */
export function ownWords(replica: Pick<Replica, 'get'>, name: string): UserBody {
  return (replica.get('User', name)?.body ?? {}) as UserBody;
}

/** Ids of directory users are UUIDs of version 5, those of objects random ones: no server's replica knows the former. */
export function isDirectoryUserId(userId: string): boolean {
  return userId['xxxxxxxx-xxxx-'.length] === '5';
}
