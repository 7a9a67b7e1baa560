import type { IncomingMessage } from 'node:http';
import {
  CHANNEL_CLOSE,
  CHANNEL_PATH,
  type DeviceFrame,
  MAX_FRAME_BYTES,
  PROTOCOL_HEADER,
  PROTOCOL_VERSION,
  Problem,
  parseJson,
  ServerFrame,
} from '@thinman/protocol';
import type { WebSocket } from 'ws';
import { errorCode } from '../error-code.ts';
import type { ChannelConnector, ChannelListener, Clock, DeviceIdentity, FailureReason, Random } from '../ports.ts';
import { serverKey } from './http-client.ts';
import { createKeptConnections } from './kept-connections.ts';
import { loadedOnce } from './loaded-once.ts';
import type { RoundTrips } from './round-trips.ts';
import { ConnectFailure, HANDSHAKE_DEADLINE_MS, networkReason } from './tls.ts';

/** Pings without an answer after which the peer is dead (`failover.md`, "channel ping"). */
const MISSES_UNTIL_DEAD = 2;
/** Pings of many devices must not march in step: ± 20 %. */
const PING_SPREAD = 0.2;
/** How long a polite close may take before the socket is cut. */
const CLOSE_GRACE_MS = 500;
/** Of an answer that refuses the upgrade; a problem document has a few hundred bytes. */
const MAX_REFUSAL_BYTES = 16 * 1024;

export type ChannelConnectorOptions = {
  readonly clock: Clock;
  readonly random: Random;
  /** Read at every `open`. */
  readonly identity: () => DeviceIdentity;
  /** Where others measure as well. */
  readonly roundTrips?: RoundTrips;
};

/** Of `ws`, read when a server is there to speak to: a start without servers does without (ADR 0113). */
type WebSockets = typeof WebSocket;
const loadWebSockets = loadedOnce<WebSockets>(async () => (await import('ws')).WebSocket);

type Why = Parameters<ChannelListener['onClosed']>[0];

/** The device's WebSocket, under the same TLS rules as its HTTPS. */
export function createChannelConnector(options: ChannelConnectorOptions): ChannelConnector {
  const { clock, random } = options;
  const kept = createKeptConnections(options);
  return {
    reset: kept.drop,
    async readyz(...asked) {
      const answer = await kept.readyz(...asked);
      // The channel to it is opened next.
      if (answer.kind === 'ok') Promise.resolve(loadWebSockets()).catch(() => {}); // whoever opens it hears of that
      return answer;
    },
    open(server, connectDeadlineMs, pingIntervalMs, listener) {
      const url = new URL(CHANNEL_PATH, server.url);
      let closed = false;
      let misses = 0;
      let lastPing = 0;
      let cancelTimer = () => {};

      const agent = kept.take(server, connectDeadlineMs);
      let socket: WebSocket | undefined;

      const giveUp = () => {
        closed = true;
        cancelTimer();
        // A connection that was kept has nobody else to end it, where no socket has taken it.
        if (socket === undefined) agent.destroy();
        else agent.giveUp();
      };
      const finish = (why: Why) => {
        if (closed) return;
        giveUp();
        if (socket !== undefined && socket.readyState !== socket.CLOSED) socket.terminate();
        listener.onClosed(why);
      };
      const alive = () => {
        misses = 0;
        if (!closed) listener.onAlive();
      };
      const schedulePing = (opened: WebSocket) => {
        // Shorter than the wire takes, the first answers would come after it was given up.
        const leastMs = options.roundTrips?.of(serverKey(server)) ?? 0;
        const delayMs = Math.max(pingIntervalMs, leastMs) * (1 - PING_SPREAD + 2 * PING_SPREAD * random());
        cancelTimer = clock.after(delayMs, () => {
          if (misses >= MISSES_UNTIL_DEAD) {
            finish({ reason: 'timeout', detail: `no sign of life after ${MISSES_UNTIL_DEAD} pings` });
            return;
          }
          misses += 1;
          opened.ping();
          schedulePing(opened);
        });
      };
      // In the place of ws's `handshakeTimeout`, which watches idle sockets only: name lookup and a trickling answer pass it.
      cancelTimer = clock.after(Math.max(connectDeadlineMs, HANDSHAKE_DEADLINE_MS), () =>
        finish({ reason: 'timeout', detail: 'the upgrade took too long' }),
      );
      const pings = new Map<string, () => void>();

      const connect = (Socket: WebSockets) => {
        if (closed) return;
        const made = new Socket(url, {
          agent,
          headers: { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) },
          maxPayload: MAX_FRAME_BYTES,
          perMessageDeflate: false,
          followRedirects: false,
        });
        socket = made;
        made.on('open', () => {
          cancelTimer();
          schedulePing(made);
          if (!closed) listener.onOpen();
        });
        made.on('ping', alive);
        made.on('pong', payload => {
          alive();
          const number = payload.toString();
          pings.get(number)?.();
          pings.delete(number);
        });
        made.on('message', (data, isBinary) => {
          alive();
          if (closed) return;
          const frame = isBinary ? undefined : parseJson(ServerFrame, data.toString(), MAX_FRAME_BYTES);
          if (frame?.ok === true) listener.onFrame(frame.value);
          else finish({ reason: 'not_our_schema', detail: 'a frame that is none of the protocol' });
        });
        made.on('unexpected-response', (_request, response) => readRefusal(response, finish));
        made.on('error', error => finish({ reason: reasonOf(error), detail: detailOf(error) }));
        made.on('close', code => {
          const reason = code === CHANNEL_CLOSE.replaced.code ? 'replaced' : 'closed';
          finish({ reason, detail: `closed with code ${code}` });
        });
      };
      const loaded = loadWebSockets();
      if (!(loaded instanceof Promise)) connect(loaded);
      else loaded.then(connect).catch(error => finish({ reason: 'reset', detail: detailOf(error) }));

      return {
        send(frame: DeviceFrame) {
          if (closed || socket === undefined || socket.readyState !== socket.OPEN) return;
          socket.send(JSON.stringify(frame));
        },
        ping(onPong) {
          if (closed || socket === undefined || socket.readyState !== socket.OPEN) return;
          const startedMs = clock.monotonicMs();
          lastPing += 1;
          pings.set(String(lastPing), () => {
            options.roundTrips?.add(serverKey(server), clock.monotonicMs() - startedMs);
            if (!closed) onPong();
          });
          socket.ping(String(lastPing));
        },
        close() {
          if (closed) return;
          giveUp();
          if (socket !== undefined) endPolitely(socket, clock);
          queueMicrotask(() => listener.onClosed({ reason: 'closed', detail: 'closed by the device' }));
        },
      };
    },
  };
}

function endPolitely(socket: WebSocket, clock: Clock): void {
  socket.close();
  const cancelCut = clock.after(CLOSE_GRACE_MS, () => socket.terminate());
  socket.once('close', cancelCut);
}

/** The upgrade was answered by an HTTP response: a problem document, or something that is none of ours. */
function readRefusal(response: IncomingMessage, finish: (why: Why) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  const conclude = () => {
    const parsed = parseJson(Problem, Buffer.concat(chunks).toString(), MAX_REFUSAL_BYTES);
    const detail = `HTTP ${response.statusCode}`;
    if (parsed.ok) finish({ reason: 'closed', detail: `${detail} ${parsed.value.code}`, problem: parsed.value });
    else finish({ reason: 'not_our_schema', detail: `${detail} without a problem document` });
  };
  response.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_REFUSAL_BYTES) conclude();
    else chunks.push(chunk);
  });
  response.on('end', conclude);
  response.on('error', conclude);
}

function reasonOf(error: Error): FailureReason {
  if (error instanceof ConnectFailure) return error.reason;
  const code = errorCode(error) ?? '';
  if (code.startsWith('WS_ERR_') || code.startsWith('HPE_')) return 'not_our_schema';
  return networkReason(error) ?? 'reset';
}

function detailOf(error: Error): string {
  return error instanceof ConnectFailure ? error.message : (errorCode(error) ?? error.name);
}
