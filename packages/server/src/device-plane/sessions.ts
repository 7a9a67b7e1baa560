import {
  type DeviceSystem,
  NO_VERSION,
  type SessionRefreshed,
  type UserBody,
  type UserSystem,
  type Version,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { SessionClaims, StoredObject } from '../ports.ts';
import { accountRefusal } from './account.ts';
import type { Bundles } from './bundles.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { DirectoryAccounts } from './directory-accounts.ts';
import { claimsOfAccount } from './directory-user.ts';
import type { SessionBook } from './session-book.ts';

export type OpenSession = { readonly claims: SessionClaims; readonly user: StoredObject; readonly subject: Version };

/** Sessions of users on devices: each call checks token, device's key and user anew, in the replica. */
export type Sessions = {
  check(device: StoredObject, authorization: string | undefined): Promise<Outcome<OpenSession>>;
  refresh(device: StoredObject, authorization: string | undefined): Promise<Outcome<SessionRefreshed>>;
  /** False when there was nothing to end. */
  end(device: StoredObject, authorization: string | undefined): Promise<boolean>;
};

/** `isWhole`: all of the user's groups are known; a directory's may be too many for a token. */
type Checked = OpenSession & { readonly isWhole: boolean };

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

  /** The token of a session that nobody has ended. */
  async function open(device: StoredObject, authorization: string | undefined): Promise<Outcome<SessionClaims>> {
    const claims = await claimsOf(device, authorization, false);
    if (replica.site() === undefined) return refused('not_serving');
    if (claims === undefined || journal.isEnded(claims.loginId)) return invalidNow();
    return done(claims);
  }

  const invalidNow = () => refused('session_invalid', { serverTime: clock.nowMs() });

  /** By what is known here of the user, in the replica or of a directory. */
  function checkUser(device: StoredObject, claims: SessionClaims): Outcome<Checked> {
    const version = replica.site()?.version;
    if (version === undefined) return refused('not_serving');
    return claims.directory === undefined
      ? checkObject(device, claims, version)
      : checkDirectoryUser(device, claims, clock.nowMs());
  }

  function checkObject(device: StoredObject, claims: SessionClaims, version: Version): Outcome<Checked> {
    const serverTime = clock.nowMs();
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
    return done({ claims, user, subject, isWhole: true });
  }

  /** What an administrator has said of the user here; what the directory says is asked at each refresh. */
  function checkDirectoryUser(device: StoredObject, token: SessionClaims, serverTime: number): Outcome<Checked> {
    const known = accounts.ofClaims(token);
    if (known === undefined) return invalidNow();
    const { user, isWhole, claims } = known;
    const { body } = user;
    const refusal = accountRefusal(body, serverTime);
    if (refusal !== undefined) return refused(refusal, { serverTime });
    if (body.sessionsNotBefore !== undefined && claims.startedAt < Date.parse(body.sessionsNotBefore))
      return invalidNow();
    // Of somebody whose groups are known in part nobody can say where the place is: that ends no session.
    if (isWhole && !bundles.access(device, user).isPlace) return refused('not_permitted', { serverTime });
    return done({ claims, user, subject: NO_VERSION, isWhole });
  }

  /** A directory that cannot be asked ends no session: it says nothing against it. */
  async function askDirectory(claims: SessionClaims): Promise<Outcome<SessionClaims>> {
    const status = await deps.directories.status(claims.user);
    const serverTime = clock.nowMs();
    switch (status.kind) {
      case 'ok':
        // The name is another person's by now.
        if (status.account.userId !== claims.userId) return refused('session_invalid', { serverTime });
        accounts.remember(status.account, serverTime);
        return done({ ...claims, directory: claimsOfAccount(deps.site, status.account, serverTime) });
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

  /** The same, with the directory's newest word where it can be had; then the session is looked at anew. */
  async function asked(device: StoredObject, claims: SessionClaims): Promise<Outcome<Checked>> {
    const current = await askDirectory(claims);
    if (!current.ok) return current;
    // Meanwhile it may have been ended.
    return journal.isEnded(claims.loginId) ? invalidNow() : checkUser(device, current.value);
  }

  async function check(device: StoredObject, authorization: string | undefined): Promise<Outcome<Checked>> {
    const opened = await open(device, authorization);
    return opened.ok ? checkUser(device, opened.value) : opened;
  }

  return {
    /** For a bundle: whose groups are known in part gets none, rather than one that lacks what they bring. The device keeps what it has. */
    async check(device, authorization) {
      const first = await check(device, authorization);
      const checked = first.ok && !first.value.isWhole ? await asked(device, first.value.claims) : first;
      if (!checked.ok || checked.value.isWhole) return checked;
      return refused('directory_unavailable', { serverTime: clock.nowMs() });
    },
    async refresh(device, authorization) {
      const first = await check(device, authorization);
      const isAsked = first.ok && first.value.claims.directory !== undefined;
      const checked = isAsked ? await asked(device, first.value.claims) : first;
      if (!checked.ok) return checked;
      const { expiresAt: _, ...claims } = checked.value.claims;
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
