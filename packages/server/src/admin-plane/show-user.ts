import type { ShownLockout, UserBody, UserShown, UserSystem } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { AdminDeps } from './admin-deps.ts';
import { sessionsHere } from './user-acts.ts';

/** Where this user is refused now, with the devices by name. */
export function lockoutsOf(
  { lockouts, replica }: Pick<AdminDeps, 'lockouts' | 'replica'>,
  user: string,
): readonly ShownLockout[] {
  return (lockouts?.(user) ?? []).map(({ deviceId, code, untilMs }) => {
    const device = deviceId === null ? null : (replica.findByUid('Device', deviceId)?.name ?? deviceId);
    return { device, code, until: Math.ceil(untilMs) };
  });
}

/** By the form of the name alone: no directory is asked, so one of its users who does not exist is shown as one who is fine. */
export function showUser(deps: AdminDeps, typed: string): Outcome<UserShown> {
  const { replica, directories, identity } = deps;
  const found = replica.get('User', typed);
  const exact = found?.deleted === true ? undefined : found;
  const isLocal = (exact?.system as UserSystem | undefined)?.credential !== undefined;
  const isClaimed = !isLocal && directories !== undefined && directories.claims(typed) !== 'none';
  if (exact === undefined && !isClaimed) return refused('not_found', { detail: `There is no User "${typed}".` });
  const keys = isClaimed ? directories.keysOf(typed) : ([typed] as const);
  const [name] = keys;
  const own = isClaimed ? replica.get('User', name) : exact;
  const body: UserBody = own === undefined || own.deleted ? {} : (own.body as UserBody);
  const sessions = sessionsHere(deps);
  const isTheirs = (user: string | null) =>
    user !== null && (isClaimed ? directories.keysOf(user).some(key => keys.includes(key)) : user === name);
  return done({
    ...{ server: identity.name, name, source: isClaimed ? 'directory' : 'local' },
    displayName: body.displayName ?? null,
    ...{ disabled: body.disabled === true, locked: body.locked === true },
    lockouts: [...lockoutsOf(deps, typed)],
    sessions: sessions.ok ? sessions.value.items.filter(({ user }) => isTheirs(user)) : [],
  });
}
