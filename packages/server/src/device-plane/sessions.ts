import {
  type DeviceSystem,
  SESSION_LIFETIME_MS,
  type SessionRefreshed,
  type UserBody,
  type UserSystem,
  type Version,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { SessionClaims, StoredObject } from '../ports.ts';
import { accountRefusal } from './account.ts';
import type { DeviceDeps } from './device-deps.ts';

export type OpenSession = { readonly claims: SessionClaims; readonly user: StoredObject; readonly subject: Version };

/** Sessions of users on devices: each call checks token, device's key and user anew, in the replica. */
export type Sessions = {
  check(device: StoredObject, authorization: string | undefined): Promise<Outcome<OpenSession>>;
  refresh(device: StoredObject, authorization: string | undefined): Promise<Outcome<SessionRefreshed>>;
  /** False when there was nothing to end. */
  end(device: StoredObject, authorization: string | undefined): Promise<boolean>;
};

const BEARER = /^Bearer ([^\s]+)$/i;

/** Tokens live this long at most, and servers' clocks may differ by a minute. */
const ENDED_KEPT_MS = SESSION_LIFETIME_MS + 60_000;

export function createSessions(deps: DeviceDeps): Sessions {
  const { replica, sessions, clock } = deps;
  /** Ended here, until their tokens have run out. A session that ended at another server ends here by its device's word. */
  const ended = new Map<string, number>();

  const forgetOld = () => {
    for (const [loginId, expiresAt] of ended) if (expiresAt < clock.nowMs()) ended.delete(loginId);
  };

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
    if (claims === undefined || ended.has(claims.loginId)) return refused('session_invalid', { serverTime });

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
    return done({ claims, user, subject });
  }

  return {
    check,
    async refresh(device, authorization) {
      const checked = await check(device, authorization);
      if (!checked.ok) return checked;
      const { expiresAt: _, ...claims } = checked.value.claims;
      const session = await sessions.issue(claims);
      return done({ session, subject: checked.value.subject, serverTime: clock.nowMs() });
    },
    async end(device, authorization) {
      const claims = await claimsOf(device, authorization, true);
      if (claims === undefined) return false;
      forgetOld();
      if (ended.has(claims.loginId)) return false;
      // A refreshed token may be out that ends later than this one: remember for a whole lifetime from now.
      ended.set(claims.loginId, Math.max(claims.expiresAt, clock.nowMs()) + ENDED_KEPT_MS);
      return true;
    },
  };
}
