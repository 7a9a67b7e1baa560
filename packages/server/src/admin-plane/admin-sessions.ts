import { createHash, randomBytes } from 'node:crypto';
import type { AdministratorBody } from '@thinman/protocol';
import type { Clock, Replica } from '../ports.ts';
import type { Actor } from './admin-deps.ts';
import { credentialFingerprint } from './credentials.ts';

/** An administrator's working day; then the password again. */
export const ADMIN_SESSION_MS = 12 * 60 * 60_000;
/** Of all administrators of one server; the oldest goes first. Above any real site's scripts and consoles. */
const MAX_SESSIONS = 10_000;
const TOKEN_BYTES = 32;

type Session = {
  readonly name: string;
  /** Salted at random: a new password ends it, and so does a new account of the same name. */
  readonly credential: string;
  readonly expiresAt: number;
};

/** Opaque sessions of administrators, known to this server alone, and gone with its process. */
export type AdminSessions = {
  /** Of an administrator whose password has just been found right. `expiresAt`: Unix milliseconds. */
  open(name: string): { readonly token: string; readonly expiresAt: number } | undefined;
  /** Who it is now: role and existence are looked up at every request. undefined: not valid (any more). */
  find(token: string): Actor | undefined;
  close(token: string): void;
};

export function createAdminSessions(clock: Pick<Clock, 'nowMs'>, replica: Pick<Replica, 'get'>): AdminSessions {
  // Kept by the token's hash: reading this process's memory for strings gives no session.
  const sessions = new Map<string, Session>();
  const keyOf = (token: string) => createHash('sha256').update(token).digest('base64url');

  return {
    open(name) {
      const held = replica.get('Administrator', name);
      if (held === undefined) return undefined;
      const oldest = sessions.keys().next().value;
      if (sessions.size >= MAX_SESSIONS && oldest !== undefined) sessions.delete(oldest);
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      const expiresAt = clock.nowMs() + ADMIN_SESSION_MS;
      const credential = credentialFingerprint('Administrator', held);
      sessions.set(keyOf(token), { name, credential, expiresAt });
      return { token, expiresAt };
    },
    find(token) {
      const key = keyOf(token);
      const session = sessions.get(key);
      if (session === undefined) return undefined;
      const held = replica.get('Administrator', session.name);
      const { disabled, role } = (held?.body ?? {}) as Partial<AdministratorBody>;
      const holds =
        clock.nowMs() < session.expiresAt &&
        disabled !== true &&
        credentialFingerprint('Administrator', held) === session.credential;
      if (holds && role !== undefined) return { name: session.name, role };
      sessions.delete(key);
      return undefined;
    },
    close: token => void sessions.delete(keyOf(token)),
  };
}
