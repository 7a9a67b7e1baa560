import { randomUUID } from 'node:crypto';
import { Agent } from 'node:https';
import {
  ADMIN_DATABASE_DEADLINE_MS,
  type CertificateFacts,
  LINK_DRAIN_EVENTS,
  LINK_PATH,
  MAX_FRAME_BYTES,
  type Missing,
  PrimaryFrame,
  type RecordedEvent,
  type SecondaryFrame,
  type ServerStatus,
  type SignedStatement,
  type SiteStatement,
  type StatementServer,
  type Version,
} from '@thinman/protocol';
import type { Logger } from 'pino';
import { WebSocket } from 'ws';
import type { Clock, ServerIdentity } from '../ports.ts';
import { asReadable } from './as-readable.ts';
import { inChunks } from './chunks.ts';
import type { FactExchange, FactPeer } from './fact-exchange.ts';
import { readFrame } from './frames.ts';
import { primaryTls } from './primary-tls.ts';
import { watchPulse } from './pulse.ts';
import type { SessionExchange, SessionPeer } from './session-exchange.ts';

/** Connect, TLS and upgrade together: the agent's own least deadline is 1.5 s, and nobody waits for the link. */
const HANDSHAKE_DEADLINE_MS = 5_000;
/** First wait after a lost link; doubling to the longest; each is drawn from its upper half, so that many do not return at once. */
const RECONNECT_FIRST_MS = 250;
const RECONNECT_MAX_MS = 10_000;
const STATUS_INTERVAL_MS = 5_000;
/** The Primary's own deadline towards its database, and a little for the way. */
const DRAIN_DEADLINE_MS = ADMIN_DATABASE_DEADLINE_MS + 1_000;

const FRAME_TYPES: readonly PrimaryFrame['type'][] = ['committed', 'drained', 'refused', 'facts', 'sessions'];

export type LinkClientOptions = {
  readonly identity: Pick<ServerIdentity, 'name' | 'tls' | 'caCertificates'>;
  readonly statement: () => SiteStatement;
  readonly status: () => ServerStatus;
  /** What this server shows now; undefined: a certificate of no CA of the site. */
  readonly certificate?: () => CertificateFacts | undefined;
  /** Of the commit that the version of `status` names. */
  readonly commitId?: () => string | undefined;
  /** `touched`: what the Primary has beyond the version of the status that it last got; undefined: it does not say. */
  readonly onCommitted: (version: Version, statement: SignedStatement, touched: Missing | undefined) => void;
  readonly onConnected: () => void;
  readonly facts: Pick<FactExchange, 'meet'>;
  readonly sessions?: Pick<SessionExchange, 'meet'>;
  readonly clock: Clock;
  /** A draw from [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
};

/** `stored`: all of them are in the source of record. `refused`: it cannot take them now. `no_link`: nobody knows. */
export type Delivery = 'stored' | 'refused' | 'no_link';

/** A Secondary's end of the link. It connects by itself, for as long as it is open. */
export type LinkClient = {
  connected(): boolean;
  /** At least once: after `no_link` some of them may have arrived. */
  deliver(events: readonly RecordedEvent[]): Promise<Delivery>;
  /** Our status has changed: the Primary is told now. */
  tellStatus(): void;
  /** The statement has changed: a link to who is no Primary any more is ended, and so is an attempt to make one. */
  follow(): void;
  close(): void;
};

export function openLink(options: LinkClientOptions): LinkClient {
  const { identity, statement, status, onCommitted, onConnected, facts, clock, random, log } = options;
  const primaryNow = () => statement().servers.find(({ role }) => role === 'primary');
  /** Nothing goes to who is no Primary any more, nor is he believed: what he stores may be in a database that counts no more. */
  const isPrimary = ({ keyHash }: StatementServer) => keyHash === primaryNow()?.keyHash;
  let attempt: { readonly to: StatementServer; readonly socket: WebSocket } | undefined;
  let factPeer: FactPeer | undefined;
  let sessionPeer: SessionPeer | undefined;
  let socket: WebSocket | undefined;
  let failures = 0;
  let closed = false;
  let cancelTimer = () => {};
  const waiting = new Map<string, (delivery: Delivery) => void>();

  const send = (frame: SecondaryFrame) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame), () => {});
  };
  const tellStatus = () => {
    const certificate = options.certificate?.();
    const commitId = options.commitId?.();
    send({ type: 'status', status: status(), ...(certificate && { certificate }), ...(commitId && { commitId }) });
  };

  const take = (frame: PrimaryFrame) => {
    switch (frame.type) {
      case 'committed':
        return onCommitted(frame.version, frame.statement, frame.touched);
      case 'facts':
        return void factPeer?.take(frame);
      case 'sessions':
        return sessionPeer?.take(frame);
      case 'drained':
        return waiting.get(frame.batch)?.('stored');
      case 'refused':
        log.warn({ reason: frame.reason }, 'link: the Primary cannot take events now; they stay in the journal');
        return waiting.get(frame.batch)?.('refused');
    }
  };

  const reconnectLater = () => {
    if (closed) return;
    const longest = Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** Math.min(failures, 16));
    failures += 1;
    cancelTimer = clock.after(longest * (0.5 + 0.5 * random()), connect);
  };

  const connect = () => {
    const primary = primaryNow();
    if (primary === undefined || primary.name === identity.name) return reconnectLater();
    const mine = new WebSocket(`${primary.url.replace(/^https:/, 'wss:')}${LINK_PATH}`, tlsOptions(identity, primary));
    attempt = { to: primary, socket: mine };
    let stopPulse = () => {};
    let stopStatus = () => {};
    const tellRegularly = () => {
      tellStatus();
      stopStatus = clock.after(STATUS_INTERVAL_MS, tellRegularly);
    };
    mine.on('open', () => {
      // The handshake may have taken long enough for a promotion.
      if (!isPrimary(primary)) return mine.terminate();
      socket = mine;
      failures = 0;
      stopPulse = watchPulse(mine, clock);
      log.info({ primary: primary.name }, 'link: connected to the Primary');
      tellRegularly();
      const tellFacts = (frame: SecondaryFrame) =>
        new Promise<void>(resolve => mine.send(JSON.stringify(frame), () => resolve()));
      factPeer = facts.meet(primary.name, tellFacts, 'primary');
      sessionPeer = options.sessions?.meet(primary.name, send, 'primary');
      onConnected();
    });
    mine.on('message', data => {
      if (!isPrimary(primary)) return mine.terminate();
      const read = readFrame(PrimaryFrame, FRAME_TYPES, data.toString());
      if (read.kind === 'frame') take(read.frame);
      else if (read.kind === 'bad') mine.terminate();
    });
    mine.on('error', error => log.debug({ primary: primary.name, err: error }, 'link: no connection to the Primary'));
    mine.on('close', () => {
      stopPulse();
      stopStatus();
      factPeer?.leave();
      sessionPeer?.leave();
      if (socket === mine) log.warn({ primary: primary.name }, 'link: the Primary is gone');
      socket = undefined;
      for (const settle of waiting.values()) settle('no_link');
      reconnectLater();
    });
    // A server that is being closed does not wait for a handshake.
    cancelTimer = () => mine.terminate();
  };

  const deliverChunk = (events: RecordedEvent[]): Promise<Delivery> => {
    if (socket?.readyState !== WebSocket.OPEN) return Promise.resolve('no_link');
    const batch = randomUUID();
    return new Promise(resolve => {
      const settle = (delivery: Delivery) => {
        cancelDeadline();
        waiting.delete(batch);
        resolve(delivery);
      };
      const cancelDeadline = clock.after(DRAIN_DEADLINE_MS, () => settle('no_link'));
      waiting.set(batch, settle);
      send({ type: 'drain', batch, events });
    });
  };

  connect();
  return {
    connected: () => socket?.readyState === WebSocket.OPEN,
    async deliver(events) {
      const readable = events.map(event => asReadable(event, identity.name));
      for (const chunk of inChunks(readable, LINK_DRAIN_EVENTS)) {
        const delivery = await deliverChunk(chunk);
        if (delivery !== 'stored') return delivery;
      }
      return 'stored';
    },
    tellStatus,
    follow() {
      if (attempt === undefined || isPrimary(attempt.to)) return;
      // Whoever comes next has not failed yet.
      failures = 0;
      attempt.socket.terminate();
    },
    close() {
      closed = true;
      cancelTimer();
      socket?.terminate();
    },
  };
}

/** On a resumed session no certificate is looked at: none is. */
function tlsOptions(identity: LinkClientOptions['identity'], primary: StatementServer) {
  const agent = new Agent({ ...primaryTls(identity, primary), maxCachedSessions: 0 });
  return { agent, handshakeTimeout: HANDSHAKE_DEADLINE_MS, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false };
}
