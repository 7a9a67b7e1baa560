import type { UserBody } from '@thinman/protocol';
import { type NotPermitted, notPermitted } from '../core/access.ts';
import { decideSession } from '../core/session-limit.ts';
import type { StoredObject } from '../ports.ts';
import type { Bundles } from './bundles.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { SessionBook } from './session-book.ts';

export type Opening =
  /** These sessions of the user end with it. */
  | { readonly kind: 'open'; readonly ends: readonly string[] }
  | { readonly kind: 'not_permitted'; readonly why: NotPermitted }
  | { readonly kind: 'too_many_sessions' }
  /** The session that is proved has been ended meanwhile. */
  | { readonly kind: 'session_invalid' };

/**
 * May this user, whose credential is right, open a session on this device now? `proved`: the loginId of one that is open already.
 * Whoever may is in the book at once, so that of two logins at the same moment one knows of the other.
 */
export type SessionGate = (
  device: StoredObject,
  user: StoredObject & { readonly body: UserBody },
  loginId: string,
  proved: string | undefined,
) => Opening;

export function createSessionGate(
  deps: Pick<DeviceDeps, 'clock' | 'journal'>,
  bundles: Pick<Bundles, 'access'>,
  book: Pick<SessionBook, 'ofUser' | 'opened'>,
): SessionGate {
  return (device, user, loginId, proved) => {
    const nowMs = deps.clock.nowMs();
    const access = bundles.access(device, user);
    const why = notPermitted(access, nowMs);
    if (why !== undefined) return { kind: 'not_permitted', why };
    if (proved !== undefined && isOver(user.body, proved)) return { kind: 'session_invalid' };
    // Most sites limit nobody: of a user with a hundred sessions each would be looked up.
    const others =
      access.maxSessions === 0 ? [] : book.ofUser(user.uid).filter(({ deviceId }) => deviceId !== device.uid);
    const decision = decideSession(access, others, proved === undefined ? undefined : momentOf(proved));
    if (decision.kind === 'too_many') return { kind: 'too_many_sessions' };
    const sinceMs = proved === undefined ? nowMs : Math.min(momentOf(proved), nowMs);
    const { uid: deviceId, name } = device;
    book.opened({ deviceId, device: name, userId: user.uid, user: user.name, loginId, mode: 'online', sinceMs }, false);
    return decision;
  };

  function isOver({ sessionsNotBefore }: UserBody, proved: string): boolean {
    if (deps.journal.isEnded(proved)) return true;
    return sessionsNotBefore !== undefined && momentOf(proved) < Date.parse(sessionsNotBefore);
  }
}

/** A UUIDv7 begins with its Unix time in milliseconds (RFC 9562, 5.7). */
export function momentOf(loginId: string): number {
  return Number.parseInt(loginId.replaceAll('-', '').slice(0, 12), 16);
}
