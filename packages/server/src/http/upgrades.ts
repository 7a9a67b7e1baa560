import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { MAX_FRAME_BYTES, PROBLEM_CONTENT_TYPE, type Problem, problem } from '@thinman/protocol';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';

/** A refused one that does not close its side is cut: no timeout of the HTTP server looks after it any more. */
const REFUSED_CLOSES_MS = 2_000;

export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** WebSocket upgrades of one server by their path. */
export type UpgradeRouter = {
  on(path: string, handler: UpgradeHandler): void;
  /** Ends what was upgraded: the HTTP server would wait for it for ever. */
  close(): void;
};

export function routeUpgrades(server: Server, log: Logger): UpgradeRouter {
  const handlers = new Map<string, UpgradeHandler>();
  const open = new Set<Duplex>();
  let closed = false;
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', error => log.debug({ err: error }, 'an upgraded connection failed'));
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    if (closed) return refuseUpgrade(socket, problem('draining'));
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') return refuseUpgrade(socket, problem('bad_request'));
    const handler = handlers.get(request.url?.split('?', 1)[0] ?? '');
    if (handler === undefined) return refuseUpgrade(socket, problem('not_found'));
    handler(request, socket, head);
  });
  return {
    on: (path, handler) => void handlers.set(path, handler),
    close() {
      closed = true;
      for (const socket of open) socket.destroy();
    },
  };
}

/** Answers an upgrade with a problem document and ends the connection. */
export function refuseUpgrade(socket: Duplex, document: Problem): void {
  const body = JSON.stringify(document);
  const head = [
    `HTTP/1.1 ${document.status} ${STATUS_CODES[document.status] ?? 'Refused'}`,
    `content-type: ${PROBLEM_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  const cut = setTimeout(() => socket.destroy(), REFUSED_CLOSES_MS).unref();
  socket.once('close', () => clearTimeout(cut));
}

/** Frames are bounded and never compressed (`traps.md`, ws). */
export function createWebSocketServer(): WebSocketServer {
  return new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });
}
