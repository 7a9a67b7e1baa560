import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { devicePeer } from './peer.ts';

/** Connections that are open at once. */
export type ConnectionLimits = {
  /** Of all who show no certificate of the site, together: administrators, devices that enrol, probes, and whoever else. */
  readonly strangers: number;
  /** Of one key with a certificate of the site: a device or a server. */
  readonly perKey: number;
};

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  /** 65 MB at 65 kB each (`traps.md`), which no number of strangers makes more; consoles and probes stay far below. */
  strangers: 1_000,
  /** An agent has six at most; those that a lost network left behind are the ones that go. */
  perKey: 32,
};

const STRANGERS = '';

/**
 * Strangers keep no device out: where there are too many connections of one kind, the one goes that has asked nothing for the
 * longest time. Before the handshake is over nobody can be told apart: there the handshake's deadline is the limit.
 */
export function limitConnections(server: Server, limits: ConnectionLimits, log: Logger): void {
  /** By key, or STRANGERS; of each, who has been silent for the longest time comes first. */
  const open = new Map<string, Set<Socket>>();
  const whoseOf = new WeakMap<Socket, string>();

  server.on('secureConnection', socket => {
    const peer = devicePeer(socket);
    const whose = peer?.authorized === true ? peer.keyHash : STRANGERS;
    const theirs = open.get(whose) ?? new Set();
    open.set(whose, theirs.add(socket));
    whoseOf.set(socket, whose);
    socket.once('close', () => {
      theirs.delete(socket);
      if (theirs.size === 0 && open.get(whose) === theirs) open.delete(whose);
    });
    const [longest] = theirs;
    if (theirs.size <= (whose === STRANGERS ? limits.strangers : limits.perKey) || longest === undefined) return;
    theirs.delete(longest);
    longest.destroy();
    log.debug({ key: whose }, 'too many connections: the one that was silent for the longest time is cut');
  });
  const asked = ({ socket }: { readonly socket: Socket }) => {
    const theirs = open.get(whoseOf.get(socket) ?? STRANGERS);
    if (theirs?.delete(socket) === true) theirs.add(socket);
  };
  server.on('request', asked).on('upgrade', asked);
}
