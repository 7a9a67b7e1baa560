import { LINK_FACTS, type SessionsFrame } from '@thinman/protocol';
import type { KnownSession, SessionBook } from '../device-plane/session-book.ts';
import type { Clock } from '../ports.ts';
import { inChunks } from './chunks.ts';

/** The other end of a link, as far as sessions go. */
export type SessionPeer = { take(frame: SessionsFrame): void; leave(): void };

/** Who is where, told between servers that see each other: a Secondary tells its own, the Primary what it knows. */
export type SessionExchange = {
  meet(server: string, send: (frame: SessionsFrame) => void, trust: 'primary' | 'secondary'): SessionPeer;
  /** Servers whose sessions are not known at this moment, by what the Primary says; on the Primary itself: none. */
  unseen(): readonly string[];
  /** The server stops: what the book rests on is closed soon. */
  close(): void;
};

export function createSessionExchange(deps: {
  readonly name: string;
  book(): Pick<SessionBook, 'all' | 'told' | 'isSeen' | 'onChange'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Live devices of the site. */
  knowsDevice(uid: string): boolean;
  /** Secondaries that the Primary does not see. */
  unseenHere(): readonly string[];
}): SessionExchange {
  const { name, clock } = deps;
  type Peer = { readonly server: string; readonly send: (frame: SessionsFrame) => void; readonly isPrimary: boolean };
  const peers = new Set<Peer>();
  let unseenThere: readonly string[] = [];
  let isListening = false;
  let isClosed = false;

  function tell(peer: Peer, opened: readonly KnownSession[], closed: readonly string[], whole: boolean): void {
    const nowMs = clock.nowMs();
    const mine = opened.filter(({ server }) => (peer.isPrimary ? server === name : server !== peer.server));
    const sessions = mine.map(({ sinceMs, ...session }) => ({ ...session, ageMs: Math.max(0, nowMs - sinceMs) }));
    const chunks = inChunks(sessions, LINK_FACTS);
    const unseen = [...deps.unseenHere()];
    const frame = (some: typeof sessions, isFirst: boolean): SessionsFrame => ({
      ...{ type: 'sessions', whole: whole && isFirst, opened: some, unseen },
      closed: isFirst ? [...closed] : [],
    });
    if (chunks.length === 0 && (whole || closed.length > 0)) peer.send(frame([], true));
    for (const [at, some] of [...chunks].entries()) peer.send(frame(some, at === 0));
  }

  function listen(): void {
    if (isListening) return;
    isListening = true;
    deps.book().onChange(({ opened, closed, from }) => {
      for (const peer of peers) if (peer.server !== from) tell(peer, opened, closed, false);
    });
  }

  /** The others hear that somebody has come or gone. */
  function tellSeen(): void {
    if (isClosed) return;
    for (const peer of peers) if (!peer.isPrimary) tell(peer, deps.book().all(), [], true);
  }

  return {
    meet(server, send, trust) {
      listen();
      const peer: Peer = { server, send, isPrimary: trust === 'primary' };
      peers.add(peer);
      deps.book().isSeen(server, true);
      if (peer.isPrimary) tell(peer, deps.book().all(), [], true);
      else queueMicrotask(tellSeen);
      return {
        take({ opened, closed, whole, unseen }) {
          const nowMs = clock.nowMs();
          if (peer.isPrimary) unseenThere = unseen;
          const known = opened
            .filter(session => peer.isPrimary || deps.knowsDevice(session.deviceId))
            // A Secondary speaks for itself alone.
            .map(({ ageMs, ...session }) => ({
              ...session,
              sinceMs: nowMs - ageMs,
              ...(!peer.isPrimary && { server }),
            }));
          deps.book().told(server, known, closed, whole);
        },
        leave() {
          if (!peers.delete(peer)) return;
          if (peer.isPrimary) unseenThere = [];
          deps.book().isSeen(server, false);
          queueMicrotask(tellSeen);
        },
      };
    },
    unseen: () => unseenThere,
    close() {
      isClosed = true;
      peers.clear();
    },
  };
}
