import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type CertificateFacts,
  isOlder,
  type Missing,
  NO_VERSION,
  type PrimaryFrame,
  problem,
  type RecordedEvent,
  SecondaryFrame,
  type SecondaryStatus,
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
import type { FactExchange, FactPeer } from './fact-exchange.ts';
import { readFrame } from './frames.ts';
import { watchPulse } from './pulse.ts';
import type { SessionExchange, SessionPeer } from './session-exchange.ts';

const FRAME_TYPES: readonly SecondaryFrame['type'][] = ['status', 'drain', 'facts', 'sessions'];

/** A Secondary hands on one batch at a time, and for what its journal does not take one more; twice that, for those it gave up waiting for. */
const BATCHES_UNDER_WAY = 4;

export type LinkServerOptions = {
  readonly isPrimary: () => boolean;
  readonly statement: () => HeldStatement;
  /** Newest committed version. */
  readonly version: () => Version | undefined;
  /** A Secondary has said what its data rest on. */
  readonly onPosition?: (name: string, version: Version, commitId: string) => void;
  /** What a server lacks that has reached this version. */
  readonly missingSince: (has: Version) => Missing;
  readonly facts: Pick<FactExchange, 'meet'>;
  readonly sessions?: Pick<SessionExchange, 'meet'>;
  /** Resolves when they are durable in the source of record. */
  readonly storeEvents: (events: readonly RecordedEvent[]) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
};

export type LinkedSecondary = {
  readonly name: string;
  readonly status: ServerStatus | undefined;
  /** What it shows now, as it says; undefined: a certificate of no CA of the site. */
  readonly certificate: CertificateFacts | undefined;
};

const NOBODY_SAID: Pick<SecondaryStatus, 'state' | 'epoch' | 'generation' | 'lagMs' | 'journalPending'> = {
  state: null,
  epoch: 0,
  generation: 0,
  lagMs: 0,
  journalPending: 0,
};

/** The Primary's end of the link. */
export type LinkServer = {
  /** A WebSocket upgrade on LINK_PATH of the server's own TLS port. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** A commit, or a new statement: tells every Secondary. */
  announce(): void;
  secondaries(): readonly LinkedSecondary[];
  /** Every Secondary of the statement, linked or not, for administrators. */
  report(): readonly SecondaryStatus[];
  close(): void;
};

type Peer = {
  readonly name: string;
  readonly keyHash: string;
  readonly socket: WebSocket;
  readonly facts: FactPeer;
  readonly sessions: SessionPeer | undefined;
  status: ServerStatus | undefined;
  certificate: CertificateFacts | undefined;
  batchesUnderWay: number;
};

export function createLinkServer(options: LinkServerOptions): LinkServer {
  const { isPrimary, statement, version, missingSince, facts, storeEvents, clock, log } = options;
  const sockets = createWebSocketServer();
  const peers = new Set<Peer>();
  /** What each Secondary said last, also when its link is gone. */
  const lastSaid = new Map<string, ServerStatus>();

  const send = (peer: Peer, frame: PrimaryFrame) => peer.socket.send(JSON.stringify(frame), () => {});
  const isMember = ({ keyHash }: Pick<Peer, 'keyHash'>) =>
    statement().statement.servers.some(server => server.keyHash === keyHash && server.role === 'secondary');

  /** Who has not said where it stands is told when it does. */
  const tellCommitted = (peer: Peer) => {
    const committed = version();
    if (committed === undefined || peer.status === undefined) return;
    const touched = missingSince(peer.status);
    send(peer, { type: 'committed', version: committed, statement: statement().signed, touched });
  };

  /** At first, and when it has moved on but not all the way, it is told anew: what is not named may have arrived. */
  const takeStatus = (peer: Peer, status: ServerStatus) => {
    const before = peer.status;
    peer.status = status;
    lastSaid.set(peer.name, status);
    const committed = version();
    const movedOn =
      before !== undefined && isOlder(before, status) && committed !== undefined && isOlder(status, committed);
    if (before === undefined || movedOn) tellCommitted(peer);
  };

  const drain = async (peer: Peer, frame: Extract<SecondaryFrame, { type: 'drain' }>) => {
    const { batch, events } = frame;
    if (!events.every(event => mayHandOn(peer.name, event))) {
      log.error({ secondary: peer.name }, 'link: a Secondary hands on events that are not its own; refused');
      return send(peer, { type: 'refused', batch, reason: 'events of another server' });
    }
    // Not by pausing, as for facts: a database may take its time, and who reads nothing looks dead.
    if (peer.batchesUnderWay >= BATCHES_UNDER_WAY) {
      return send(peer, { type: 'refused', batch, reason: 'too many batches are under way' });
    }
    peer.batchesUnderWay++;
    try {
      await storeEvents(events);
      send(peer, { type: 'drained', batch });
    } catch (error) {
      log.warn({ secondary: peer.name, err: error }, 'link: events cannot be stored now; the Secondary keeps them');
      send(peer, { type: 'refused', batch, reason: 'the source of record does not take them now' });
    } finally {
      peer.batchesUnderWay--;
    }
  };

  const drop = (peer: Peer) => {
    peers.delete(peer);
    peer.facts.leave();
    peer.sessions?.leave();
    peer.socket.terminate();
  };

  const take = (peer: Peer, text: string) => {
    // Who has left the statement is no server any more, whatever is still on the way.
    if (!isMember(peer) || !isPrimary()) return drop(peer);
    const read = readFrame(SecondaryFrame, FRAME_TYPES, text);
    if (read.kind === 'newer') return;
    if (read.kind === 'bad') return peer.socket.close(CLOSE_BAD_FRAME);
    switch (read.frame.type) {
      case 'status':
        peer.certificate = read.frame.certificate;
        takeStatus(peer, read.frame.status);
        return (
          read.frame.commitId && options.onPosition?.(peer.name, versionOf(read.frame.status), read.frame.commitId)
        );
      case 'drain':
        return void drain(peer, read.frame);
      case 'facts':
        // One frame at a time: nobody fills this process with what it has not written down yet.
        peer.socket.pause();
        return void peer.facts.take(read.frame).finally(() => peer.socket.resume());
      case 'sessions':
        return peer.sessions?.take(read.frame);
    }
  };

  const accept = (socket: WebSocket, { name, keyHash }: StatementServer) => {
    // A server has one link: an older one is a connection that died without a word.
    for (const older of peers) if (older.name === name) drop(older);
    const tellFacts = (frame: PrimaryFrame) =>
      new Promise<void>(resolve => socket.send(JSON.stringify(frame), () => resolve()));
    const peer: Peer = {
      name,
      keyHash,
      socket,
      facts: facts.meet(name, tellFacts, 'secondary'),
      sessions: options.sessions?.meet(name, frame => socket.send(JSON.stringify(frame), () => {}), 'secondary'),
      status: undefined,
      certificate: undefined,
      batchesUnderWay: 0,
    };
    peers.add(peer);
    const stopPulse = watchPulse(socket, clock);
    log.info({ secondary: name }, 'link: a Secondary is connected');
    socket.on('error', error => log.debug({ secondary: name, err: error }, 'link: connection failed'));
    socket.on('close', () => {
      stopPulse();
      drop(peer);
      log.info({ secondary: name }, 'link: a Secondary is gone');
    });
    socket.on('message', data => take(peer, data.toString()));
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
      for (const peer of peers) {
        if (isPrimary() && isMember(peer)) tellCommitted(peer);
        else drop(peer);
      }
    },
    secondaries: () => [...peers].map(({ name, status, certificate }) => ({ name, status, certificate })),
    report: () =>
      statement()
        .statement.servers.filter(({ role }) => role === 'secondary')
        .map(({ name }) => {
          const linked = [...peers].some(peer => peer.name === name);
          const said = lastSaid.get(name);
          if (said === undefined) return { name, linked, ...NOBODY_SAID, missing: missingSince(NO_VERSION) };
          const { state, epoch, generation, database, journalPending, version } = said;
          return {
            name,
            linked,
            state,
            epoch,
            generation,
            lagMs: database.lagMs,
            journalPending,
            version,
            missing: missingSince(said),
          };
        }),
    close() {
      for (const { socket } of peers) socket.terminate();
      sockets.close();
    },
  };
}

const versionOf = ({ epoch, generation }: ServerStatus): Version => ({ epoch, generation });

/** 1007, RFC 6455: data that do not fit the type of message. */
const CLOSE_BAD_FRAME = 1007;

/** A Secondary hands on what devices told it and what it did itself; not what another server says. */
function mayHandOn(server: string, event: RecordedEvent): boolean {
  return event.takenBy === server && (event.origin.startsWith('device:') || event.origin === `server:${server}`);
}
