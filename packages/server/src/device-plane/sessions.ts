import {
  type DeviceSystem,
  NO_VERSION,
  type SessionRefreshed,
  type UserBody,
  type UserSystem,
  type Version,
} from '@thinman/protocol';
import type { DirectoryAccount } from '../directory/directories.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { SessionClaims, StoredObject } from '../ports.ts';
import { accountRefusal } from './account.ts';
import type { Bundles } from './bundles.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { DirectoryAccounts } from './directory-accounts.ts';
import { accountOfClaims, claimsOfAccount } from './directory-user.ts';
import type { SessionBook } from './session-book.ts';

export type OpenSession = { readonly claims: SessionClaims; readonly user: StoredObject; readonly subject: Version };

/** Sessions of users on devices: each call checks token, device's key and user anew, in the replica. */
export type Sessions = {
  check(device: StoredObject, authorization: string | undefined): Promise<Outcome<OpenSession>>;
  refresh(device: StoredObject, authorization: string | undefined): Promise<Outcome<SessionRefreshed>>;
  /** False when there was nothing to end. */
  end(device: StoredObject, authorization: string | undefined): Promise<boolean>;
};

const BEARER = /^Bearer ([^\s]+)$/i;

export function createSessions(
  deps: DeviceDeps,
  accounts: DirectoryAccounts,
  bundles: Pick<Bundles, 'access'>,
  book: Pick<SessionBook, 'opened' | 'closed'>,
): Sessions {
  const { replica, sessions, journal, clock } = deps;

  async function claimsOf(device: StoredObject, authorization: string | undefined, allowExpired: boolean) {
    const token = BEARER.exec(authorization ?? '')?.[1];
    if (token === undefined) return undefined;
    const claims = await sessions.verify(token, deps.statement().statement, allowExpired);
    return claims?.deviceKeyHash === (device.system as DeviceSystem).keyHash ? claims : undefined;
  }

  async function check(device: StoredObject, authorization: string | undefined): Promise<Outcome<OpenSession>> {
    const serverTime = clock.nowMs();
    const claims = await claimsOf(device, authorization, false);
    const version = replica.site()?.version;
    if (version === undefined) return refused('not_serving');
    if (claims === undefined || journal.isEnded(claims.loginId)) return refused('session_invalid', { serverTime });

    const account = accountOfClaims(claims);
    if (account !== undefined) return checkDirectoryUser(device, claims, account, serverTime);
    const user = replica.findByUid('User', claims.userId);
    const subject = { epoch: version.epoch, generation: (user ?? version).generation };
    const invalid = () => refused('session_invalid', { subject, serverTime });
    if (user === undefined || user.deleted) return invalid();
    const body = user.body as UserBody;
    const refusal = accountRefusal(body, serverTime);
    if (refusal !== undefined) return refused(refusal, { subject, serverTime });
    // A token with a newer credential than this replica has was issued by a server that knows more: it goes on.
    const held = (user.system as UserSystem).credential?.version ?? 0;
    if (claims.credentialVersion < held) return invalid();
    if (body.sessionsNotBefore !== undefined && claims.startedAt < Date.parse(body.sessionsNotBefore)) return invalid();
    // The hours are for logins: whoever works goes on.
    if (!bundles.access(device, user).isPlace) return refused('not_permitted', { subject, serverTime });
    return done({ claims, user, subject });
  }

  /** What an administrator has said of the user here; what the directory says is asked at each refresh. */
  function checkDirectoryUser(
    device: StoredObject,
    claims: SessionClaims,
    account: DirectoryAccount,
    serverTime: number,
  ) {
    const user = accounts.user(claims.userId) ?? accounts.remember(account);
    const { body } = user;
    const refusal = accountRefusal(body, serverTime);
    if (refusal !== undefined) return refused(refusal, { serverTime });
    if (body.sessionsNotBefore !== undefined && claims.startedAt < Date.parse(body.sessionsNotBefore)) {
      return refused('session_invalid', { serverTime });
    }
    if (!bundles.access(device, user).isPlace) return refused('not_permitted', { serverTime });
    return done({ claims, user, subject: NO_VERSION });
  }

  /** A directory that cannot be asked ends no session: it says nothing against it. */
  async function askDirectory(claims: SessionClaims): Promise<Outcome<SessionClaims>> {
    const serverTime = clock.nowMs();
    const status = await deps.directories.status(claims.user);
    switch (status.kind) {
      case 'ok':
        // The name is another person's by now.
        if (status.account.userId !== claims.userId) return refused('session_invalid', { serverTime });
        accounts.remember(status.account);
        return done({ ...claims, directory: claimsOfAccount(deps.site, status.account) });
      case 'refused':
        return refused(status.code, { serverTime });
      case 'unknown':
        return refused('session_invalid', { serverTime });
      case 'not_told':
      case 'unavailable':
      case 'undecided':
      case 'overloaded':
        return done(claims);
    }
  }

  return {
    check,
    async refresh(device, authorization) {
      const checked = await check(device, authorization);
      if (!checked.ok) return checked;
      const { claims: held } = checked.value;
      const current = held.directory === undefined ? done(held) : await askDirectory(held);
      if (!current.ok) return current;
      // While the directory was asked it may have been ended.
      if (journal.isEnded(held.loginId)) return refused('session_invalid', { serverTime: clock.nowMs() });
      const { expiresAt: _, ...claims } = current.value;
      const session = await sessions.issue(claims);
      const { loginId, userId, user, startedAt: sinceMs } = claims;
      const { uid: deviceId, name } = device;
      book.opened({ deviceId, device: name, userId, user, loginId, mode: 'online', sinceMs }, 'refresh');
      return done({ session, subject: checked.value.subject, serverTime: clock.nowMs() });
    },
    async end(device, authorization) {
      const claims = await claimsOf(device, authorization, true);
      if (claims === undefined) return false;
      const { loginId } = claims;
      if (journal.isEnded(loginId)) return false;
      book.closed(device.uid, loginId);
      await journal.append({ events: [], ended: [{ loginId, atMs: clock.nowMs() }] });
      return true;
    },
  };
}
