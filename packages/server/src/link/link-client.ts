import { randomUUID, X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import { checkServerIdentity } from 'node:tls';
import {
  ADMIN_DATABASE_DEADLINE_MS,
  LINK_PATH,
  MAX_FRAME_BYTES,
  PrimaryFrame,
  parseJson,
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
import { keyHashOfCertificate } from '../identity/key-hash.ts';
import type { Clock, ServerIdentity } from '../ports.ts';
import { chunkEvents } from './chunk-events.ts';
import { watchPulse } from './pulse.ts';

/** Connect, TLS and upgrade together: the agent's own least deadline is 1.5 s, and nobody waits for the link. */
const HANDSHAKE_DEADLINE_MS = 5_000;
/** First wait after a lost link; doubling to the longest; each is drawn from its upper half, so that many do not return at once. */
const RECONNECT_FIRST_MS = 250;
const RECONNECT_MAX_MS = 10_000;
const STATUS_INTERVAL_MS = 5_000;
/** The Primary's own deadline towards its database, and a little for the way. */
const DRAIN_DEADLINE_MS = ADMIN_DATABASE_DEADLINE_MS + 1_000;

export type LinkClientOptions = {
  readonly identity: Pick<ServerIdentity, 'name' | 'tls' | 'caCertificates'>;
  readonly statement: () => SiteStatement;
  readonly status: () => ServerStatus;
  readonly onCommitted: (version: Version, statement: SignedStatement) => void;
  readonly onConnected: () => void;
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
  /** At least once: after `no_link` some of them may have arrived. One call at a time. */
  deliver(events: readonly RecordedEvent[]): Promise<Delivery>;
  /** Our status has changed: the Primary is told now. */
  tellStatus(): void;
  close(): void;
};

export function openLink(options: LinkClientOptions): LinkClient {
  const { identity, statement, status, onCommitted, onConnected, clock, random, log } = options;
  let socket: WebSocket | undefined;
  let failures = 0;
  let closed = false;
  let cancelTimer = () => {};
  const waiting = new Map<string, (delivery: Delivery) => void>();

  const send = (frame: SecondaryFrame) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame), () => {});
  };
  const tellStatus = () => send({ type: 'status', status: status() });

  const take = (frame: PrimaryFrame) => {
    switch (frame.type) {
      case 'committed':
        return onCommitted(frame.version, frame.statement);
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
    const primary = statement().servers.find(({ role }) => role === 'primary');
    if (primary === undefined || primary.name === identity.name) return reconnectLater();
    const mine = new WebSocket(`${primary.url.replace(/^https:/, 'wss:')}${LINK_PATH}`, tlsOptions(identity, primary));
    let stopPulse = () => {};
    let stopStatus = () => {};
    const tellRegularly = () => {
      tellStatus();
      stopStatus = clock.after(STATUS_INTERVAL_MS, tellRegularly);
    };
    mine.on('open', () => {
      socket = mine;
      failures = 0;
      stopPulse = watchPulse(mine, clock);
      log.info({ primary: primary.name }, 'link: connected to the Primary');
      tellRegularly();
      onConnected();
    });
    mine.on('message', data => {
      const frame = parseJson(PrimaryFrame, data.toString(), MAX_FRAME_BYTES);
      if (frame.ok) take(frame.value);
      else mine.terminate();
    });
    mine.on('error', error => log.debug({ primary: primary.name, err: error }, 'link: no connection to the Primary'));
    mine.on('close', () => {
      stopPulse();
      stopStatus();
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
      for (const chunk of chunkEvents(events)) {
        const delivery = await deliverChunk(chunk);
        if (delivery !== 'stored') return delivery;
      }
      return 'stored';
    },
    tellStatus,
    close() {
      closed = true;
      cancelTimer();
      socket?.terminate();
    },
  };
}

/** The Primary must have a valid chain, its URL's name, *and* the key that the site statement says. */
function tlsOptions(identity: LinkClientOptions['identity'], primary: StatementServer) {
  const agent = new Agent({
    ca: [...identity.caCertificates],
    cert: identity.tls.certificatePem,
    key: identity.tls.keyPem,
    minVersion: 'TLSv1.3',
    // On a resumed session no certificate is looked at.
    maxCachedSessions: 0,
    checkServerIdentity: (host, certificate) => {
      const wrongName = checkServerIdentity(host, certificate);
      if (wrongName !== undefined) return wrongName;
      return keyHashOfCertificate(new X509Certificate(certificate.raw)) === primary.keyHash
        ? undefined
        : new Error('the key of this server is not in the site statement');
    },
  });
  return { agent, handshakeTimeout: HANDSHAKE_DEADLINE_MS, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false };
}
