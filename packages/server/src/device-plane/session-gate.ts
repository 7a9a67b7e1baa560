import type { UserBody } from '@thinman/protocol';
import { type NotPermitted, notPermitted, waitOf } from '../core/access.ts';
import { decideSession } from '../core/session-limit.ts';
import type { StoredObject } from '../ports.ts';
import type { Bundles } from './bundles.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { SessionBook } from './session-book.ts';

export type Opening =
  /** These sessions of the user end with it. `beganMs`: now, or when the session began that is proved. */
  | { readonly kind: 'open'; readonly ends: readonly string[]; readonly beganMs: number }
  /** `retryAfterMs`: until the hours begin in which it is permitted. */
  | { readonly kind: 'not_permitted'; readonly why: NotPermitted; readonly retryAfterMs?: number }
  | { readonly kind: 'too_many_sessions' }
  /** The session that is proved has been ended meanwhile. */
  | { readonly kind: 'session_invalid' };

/** A session that its device has open already, as it says: opened without a server, or for longer than a token lives without one. */
export type ProvedSession = { readonly loginId: string /** Unix ms. */; readonly beganMs: number };

/**
 * May this user, whose credential is right, open a session on this device now, or go on with the one that is `proved`? Of that one the
 * hours are judged by when it began: nobody is thrown out because they have ended since, with a server in sight or without.
 * Whoever may is in the book at once, so that of two logins at the same moment one knows of the other.
 */
export type SessionGate = (
  device: StoredObject,
  user: StoredObject & { readonly body: UserBody },
  loginId: string,
  proved: ProvedSession | undefined,
) => Opening;

export function createSessionGate(
  deps: Pick<DeviceDeps, 'clock' | 'journal'>,
  bundles: Pick<Bundles, 'access'>,
  book: Pick<SessionBook, 'ofUser' | 'opened'>,
): SessionGate {
  return (device, user, loginId, proved) => {
    const nowMs = deps.clock.nowMs();
    const access = bundles.access(device, user);
    const beganMs = Math.min(proved?.beganMs ?? nowMs, nowMs);
    const why = notPermitted(access, beganMs);
    if (why !== undefined) {
      const retryAfterMs = waitOf(access, nowMs);
      return { kind: 'not_permitted', why, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    }
    if (proved !== undefined && isOver(user.body, proved)) return { kind: 'session_invalid' };
    // Most sites limit nobody: of a user with a hundred sessions each would be looked up.
    const others =
      access.maxSessions === 0 ? [] : book.ofUser(user.uid).filter(({ deviceId }) => deviceId !== device.uid);
    const decision = decideSession(access, others, proved === undefined ? undefined : beganMs);
    if (decision.kind === 'too_many') return { kind: 'too_many_sessions' };
    const { uid: deviceId, name } = device;
    book.opened(
      { deviceId, device: name, userId: user.uid, user: user.name, loginId, mode: 'online', sinceMs: beganMs },
      'grant',
    );
    return { ...decision, beganMs };
  };

  function isOver({ sessionsNotBefore }: UserBody, { loginId, beganMs }: ProvedSession): boolean {
    if (deps.journal.isEnded(loginId)) return true;
    return sessionsNotBefore !== undefined && beganMs < Date.parse(sessionsNotBefore);
  }
}

/** A UUIDv7 begins with its Unix time in milliseconds (RFC 9562, 5.7): of a session's id, when the device says that it began. */
export function momentOf(loginId: string): number {
  return Number.parseInt(loginId.replaceAll('-', '').slice(0, 12), 16);
}
