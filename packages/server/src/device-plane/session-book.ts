import { type AgentMode, SESSION_LIFETIME_MS } from '@thinman/protocol';
import type { Clock } from '../ports.ts';

/** Whoever has not been heard of for a token's life has none that is good: a minute for clocks that differ. */
const HEARSAY_MS = SESSION_LIFETIME_MS + 60_000;

/** Somebody at work on a device, as far as this server knows. */
export type KnownSession = {
  /** uid of the Device. */
  readonly deviceId: string;
  readonly device: string;
  readonly userId: string;
  /** null: not known here by name. */
  readonly user: string | null;
  readonly loginId: string;
  readonly mode: AgentMode;
  /** Unix ms by this server's clock. */
  readonly sinceMs: number;
  /** Which serves it. */
  readonly server: string;
};

export type BookChange = {
  readonly opened: readonly KnownSession[];
  /** Devices on which nobody works any more. */
  readonly closed: readonly string[];
  /** Who told it; undefined: it was seen here. */
  readonly from: string | undefined;
};

/**
 * Who says that a session is there. `grant`: its login was answered, and the device may have given up on the answer. `refresh`, `device`:
 * the device has it, and keeps it for as long as it is connected. When it began servers know by tokens; a device dates it in its id.
 */
export type Word = 'grant' | 'refresh' | 'device';

/**
 * Who is where: sessions of devices that this server serves, and what other servers tell of theirs. One a device; the last word
 * stands, but against a device that is connected here nobody else's counts. In memory: after a start devices tell it anew.
 */
export type SessionBook = {
  opened(session: Omit<KnownSession, 'server'>, by: Word): void;
  /** `loginId`: only this one. */
  closed(deviceId: string, loginId?: string): void;
  /** Another server said so. `whole`: and that there are no others. */
  told(from: string, opened: readonly KnownSession[], closed: readonly string[], whole: boolean): void;
  /** Whether this server is heard from at this moment. */
  isSeen(server: string, isIt: boolean): void;
  all(): readonly KnownSession[];
  ofUser(userId: string): readonly KnownSession[];
  onChange(listener: (change: BookChange) => void): void;
};

export function createSessionBook(deps: {
  readonly name: string;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  isConnected(deviceId: string): boolean;
  isEnded(loginId: string): boolean;
}): SessionBook {
  const { name, clock } = deps;
  type Entry = {
    readonly session: KnownSession;
    readonly from: string;
    readonly isSaid: boolean;
    /** A server has said when it began. */
    readonly isDated: boolean;
    heardMs: number;
  };
  const byDevice = new Map<string, Entry>();
  /** Ids of devices, by user: a login looks at the sessions of its user, not at everybody's. */
  const byUser = new Map<string, Set<string>>();
  const seen = new Set<string>();
  const listeners: ((change: BookChange) => void)[] = [];

  const tell = (change: BookChange) => {
    if (change.opened.length + change.closed.length > 0) for (const listener of listeners) listener(change);
  };
  const isMine = (deviceId: string) => byDevice.get(deviceId)?.from === name && deps.isConnected(deviceId);

  function put(entry: Entry): void {
    const { deviceId, userId } = entry.session;
    remove(deviceId);
    byDevice.set(deviceId, entry);
    byUser.set(userId, (byUser.get(userId) ?? new Set()).add(deviceId));
  }

  /** False: there was none. */
  function remove(deviceId: string): boolean {
    const userId = byDevice.get(deviceId)?.session.userId;
    if (userId === undefined) return false;
    const devices = byUser.get(userId);
    devices?.delete(deviceId);
    if (devices?.size === 0) byUser.delete(userId);
    return byDevice.delete(deviceId);
  }

  function live(deviceIds: Iterable<string>): readonly KnownSession[] {
    const nowMs = clock.monotonicMs();
    const sessions: KnownSession[] = [];
    const gone: string[] = [];
    for (const deviceId of deviceIds) {
      const entry = byDevice.get(deviceId);
      if (entry === undefined) continue;
      const isHeard = entry.from === name ? entry.isSaid && deps.isConnected(deviceId) : seen.has(entry.from);
      if (isHeard) entry.heardMs = nowMs;
      const isOver = deps.isEnded(entry.session.loginId) || nowMs - entry.heardMs > HEARSAY_MS;
      if (!isOver) sessions.push(entry.session);
      else if (remove(deviceId) && entry.from === name) gone.push(deviceId);
    }
    // Other servers believe us for as long as they see us: of a device that was switched off they hear from nobody else.
    tell({ opened: [], closed: gone, from: undefined });
    return sessions;
  }

  /** The first word of it knows best when it began; but a device's clock may be wrong, and a server's word counts before its own. */
  function beganMs({ session, isDated }: Entry, saidMs: number, by: Word): number {
    if (by === 'device') return session.sinceMs;
    return isDated ? Math.min(session.sinceMs, saidMs) : saidMs;
  }

  return {
    opened(more, by) {
      const held = byDevice.get(more.deviceId);
      const isSame = held?.session.loginId === more.loginId;
      const isDated = by !== 'device' || (isSame && held.isDated);
      const sinceMs = isSame ? beganMs(held, more.sinceMs, by) : more.sinceMs;
      const session = { ...more, user: more.user ?? (isSame ? held.session.user : null), sinceMs, server: name };
      const wasSaid = isSame && held.from === name && held.isSaid;
      const heardMs = clock.monotonicMs();
      put({ session, from: name, isSaid: by !== 'grant' || wasSaid, isDated, heardMs });
      const isNews = !isSame || held.from !== name || held.session.mode !== more.mode;
      if (isNews) tell({ opened: [session], closed: [], from: undefined });
    },
    closed(deviceId, loginId) {
      const held = byDevice.get(deviceId);
      if (held === undefined || (loginId !== undefined && held.session.loginId !== loginId)) return;
      remove(deviceId);
      tell({ opened: [], closed: [deviceId], from: undefined });
    },
    told(from, opened, closed, whole) {
      if (whole) for (const [deviceId, entry] of byDevice) if (entry.from === from) remove(deviceId);
      const gone = closed.filter(deviceId => byDevice.get(deviceId)?.from === from && remove(deviceId));
      const news = opened.filter(({ deviceId }) => !isMine(deviceId));
      for (const session of news) {
        put({ session, from, isSaid: true, isDated: true, heardMs: clock.monotonicMs() });
      }
      tell({ opened: news, closed: gone, from });
    },
    isSeen(server, isIt) {
      for (const entry of byDevice.values()) if (entry.from === server) entry.heardMs = clock.monotonicMs();
      if (isIt) seen.add(server);
      else seen.delete(server);
    },
    all: () => live([...byDevice.keys()]),
    ofUser: userId => live([...(byUser.get(userId) ?? [])]),
    onChange: listener => void listeners.push(listener),
  };
}
