import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  MAX_FRAME_BYTES,
  type PrimaryFrame,
  parseJson,
  problem,
  type RecordedEvent,
  SecondaryFrame,
  type ServerStatus,
  type StatementServer,
  type Version,
} from '@thinman/protocol';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { devicePeer } from '../http/peer.ts';
import { createWebSocketServer, refuseUpgrade } from '../http/upgrades.ts';
import type { HeldStatement } from '../identity/statement-holder.ts';
import type { Clock } from '../ports.ts';
import { watchPulse } from './pulse.ts';

export type LinkServerOptions = {
  readonly isPrimary: () => boolean;
  readonly statement: () => HeldStatement;
  /** Newest committed version. */
  readonly version: () => Version | undefined;
  /** Resolves when they are durable in the source of record. */
  readonly storeEvents: (events: readonly RecordedEvent[]) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
};

export type LinkedSecondary = { readonly name: string; readonly status: ServerStatus | undefined };

/** The Primary's end of the link. */
export type LinkServer = {
  /** A WebSocket upgrade on LINK_PATH of the server's own TLS port. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** A commit, or a new statement: tells every Secondary. */
  announce(): void;
  secondaries(): readonly LinkedSecondary[];
  close(): void;
};

type Peer = {
  readonly name: string;
  readonly keyHash: string;
  readonly socket: WebSocket;
  status: ServerStatus | undefined;
};

export function createLinkServer(options: LinkServerOptions): LinkServer {
  const { isPrimary, statement, version, storeEvents, clock, log } = options;
  const sockets = createWebSocketServer();
  const peers = new Set<Peer>();

  const send = (peer: Peer, frame: PrimaryFrame) => peer.socket.send(JSON.stringify(frame), () => {});
  const tellCommitted = (peer: Peer) => {
    const committed = version();
    if (committed !== undefined) send(peer, { type: 'committed', version: committed, statement: statement().signed });
  };

  const drain = async (peer: Peer, frame: Extract<SecondaryFrame, { type: 'drain' }>) => {
    const { batch, events } = frame;
    if (!events.every(event => mayHandOn(peer.name, event))) {
      log.error({ secondary: peer.name }, 'link: a Secondary hands on events that are not its own; refused');
      return send(peer, { type: 'refused', batch, reason: 'events of another server' });
    }
    try {
      await storeEvents(events);
      send(peer, { type: 'drained', batch });
    } catch (error) {
      log.warn({ secondary: peer.name, err: error }, 'link: events cannot be stored now; the Secondary keeps them');
      send(peer, { type: 'refused', batch, reason: 'the source of record does not take them now' });
    }
  };

  const drop = (peer: Peer) => {
    peers.delete(peer);
    peer.socket.terminate();
  };

  const accept = (socket: WebSocket, { name, keyHash }: StatementServer) => {
    const peer: Peer = { name, keyHash, socket, status: undefined };
    // A server has one link: an older one is a connection that died without a word.
    for (const older of peers) if (older.name === name) drop(older);
    peers.add(peer);
    const stopPulse = watchPulse(socket, clock);
    log.info({ secondary: name }, 'link: a Secondary is connected');
    socket.on('error', error => log.debug({ secondary: name, err: error }, 'link: connection failed'));
    socket.on('close', () => {
      stopPulse();
      peers.delete(peer);
      log.info({ secondary: name }, 'link: a Secondary is gone');
    });
    socket.on('message', data => {
      const frame = parseJson(SecondaryFrame, data.toString(), MAX_FRAME_BYTES);
      if (!frame.ok) return socket.close(CLOSE_BAD_FRAME);
      if (frame.value.type === 'status') peer.status = frame.value.status;
      else void drain(peer, frame.value);
    });
    tellCommitted(peer);
  };

  return {
    handleUpgrade(request, socket, head) {
      const caller = devicePeer(socket);
      const server = caller?.authorized
        ? statement().statement.servers.find(({ keyHash, role }) => keyHash === caller.keyHash && role === 'secondary')
        : undefined;
      if (!isPrimary()) return refuseUpgrade(socket, problem('not_primary'));
      if (server === undefined) return refuseUpgrade(socket, problem('forbidden'));
      sockets.handleUpgrade(request, socket, head, accepted => accept(accepted, server));
    },
    announce() {
      const { servers } = statement().statement;
      for (const peer of peers) {
        // Who has left the statement is no server any more, from now on.
        if (isPrimary() && servers.some(({ keyHash }) => keyHash === peer.keyHash)) tellCommitted(peer);
        else drop(peer);
      }
    },
    secondaries: () => [...peers].map(({ name, status }) => ({ name, status })),
    close() {
      for (const { socket } of peers) socket.terminate();
      sockets.close();
    },
  };
}

/** 1007, RFC 6455: data that do not fit the type of message. */
const CLOSE_BAD_FRAME = 1007;

/** A Secondary hands on what devices told it and what it did itself; not what another server says. */
function mayHandOn(server: string, event: RecordedEvent): boolean {
  return event.takenBy === server && (event.origin.startsWith('device:') || event.origin === `server:${server}`);
}
