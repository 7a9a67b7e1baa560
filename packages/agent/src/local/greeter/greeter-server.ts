import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LoginResult } from '@thinman/protocol';
import Type from 'typebox';
import { createServer } from '../../node-http.ts';
import { createConnectionRoom } from '../connection-room.ts';
import { emergencyRoute } from '../emergency-route.ts';
import { createEventStream } from '../event-stream.ts';
import { createFailureLimit } from '../failure-limit.ts';
import { sendJson, sendProblem, takeBody } from '../http-json.ts';
import { lockRoute } from '../lock-route.ts';
import { loginRoute } from '../login-route.ts';
import { passwordRoute } from '../password-route.ts';
import { unlockRoute } from '../unlock-route.ts';
import { greeterUrl } from './boot-token.ts';
import { hasToken, isOwnAddress, setHeaders } from './guard.ts';
import { readPageFiles } from './page-files.ts';
import { createPageState, type GreeterAgent } from './page-state.ts';

/** Loopback alone: what is typed on the page never leaves the machine unprotected. */
const ADDRESS = '127.0.0.1';
/** A browser opens six to a host; more than one page is a mistake. */
const MAX_CONNECTIONS = 32;
/** As on the local sockets: a request must be here in this time. */
const REQUEST_TIMEOUT_MS = 10_000;

const ConnectRequest = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 256 }) },
  { additionalProperties: false },
);

/** The page for a kiosk browser, as long as it is served. */
export type Greeter = { readonly url: string; close(): Promise<void> };

/** Serves the greeter page on a port of 127.0.0.1; 0: any that is free. Rejects as `node:net` does. */
export async function createGreeter(options: {
  readonly port: number;
  readonly token: string;
  readonly agent: GreeterAgent;
  /** Unix ms. */
  readonly nowMs: () => number;
  /** Monotonic, ms. */
  readonly monotonicMs: () => number;
}): Promise<Greeter> {
  const { agent, token, nowMs, monotonicMs } = options;
  const files = readPageFiles();
  const limit = createFailureLimit(monotonicMs);
  const state = createPageState(agent, nowMs);
  const stream = createEventStream(() => state.now());
  const stopListening = agent.onChange(() => {
    state.look();
    stream.changed();
  });
  const stopFollowing = agent.onConnections?.(() => stream.changed()) ?? (() => {});

  /** Without the profile: the page shows tiles, and hosts and accounts are not its business. */
  function answerTo(result: LoginResult) {
    if (result.verdict === 'granted') state.granted(result);
    stream.changed();
    const { verdict, reason, mode, warning = null, retryAfterMs = null } = result;
    return { verdict, reason, mode, warning, retryAfterMs, state: state.now() };
  }

  async function connect(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await takeBody(ConnectRequest, request, response);
    if (body === undefined) return;
    if (agent.status().session?.locked === true) sendProblem(response, 'forbidden');
    else if (agent.connect?.(body.name) === 'done') sendJson(response, {});
    else sendProblem(response, 'not_found');
  }

  async function logout(_request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!agent.mayEnd()) return sendProblem(response, 'forbidden');
    await agent.logout();
    sendJson(response, {});
  }

  function listen(_request: IncomingMessage, response: ServerResponse): void {
    if (stream.add(response)) room.isServed(response);
    else sendProblem(response, 'overloaded');
  }

  const called = (request: IncomingMessage, response: ServerResponse) => ({ request, response, room, limit });
  type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;
  const routes: Readonly<Record<string, Handler>> = {
    'GET /v1/events': listen,
    'POST /v1/login': (...call) => loginRoute(agent, called(...call), answerTo),
    'POST /v1/emergency': (...call) => emergencyRoute(agent, called(...call)),
    'POST /v1/password': (...call) => passwordRoute(agent, called(...call)),
    'POST /v1/lock': (_request, response) => lockRoute(agent, response),
    'POST /v1/unlock': (...call) => unlockRoute(agent, called(...call), answerTo),
    'POST /v1/logout': logout,
    'POST /v1/connect': connect,
  };

  const timeouts = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS };
  const server = createServer(timeouts, (request, response) => {
    setHeaders(response);
    if (!isOwnAddress(request, port)) return refuse(response);
    // The page itself holds no secret: it is given to whoever asks under its own address.
    const file = request.method === 'GET' ? files.get(request.url ?? '') : undefined;
    if (file !== undefined) {
      response.writeHead(200, { 'content-type': file.type, 'content-length': file.content.length });
      return void response.end(file.content);
    }
    if (!hasToken(request, token)) return refuse(response);
    const handler = routes[`${request.method} ${request.url}`];
    if (handler === undefined) return sendProblem(response, 'not_found');
    Promise.resolve(handler(request, response)).catch(() => {
      // The page has gone, or the agent is stopping.
      if (response.headersSent) response.destroy();
      else sendProblem(response, 'internal');
    });
  });
  const room = createConnectionRoom(server, MAX_CONNECTIONS);

  server.listen(options.port, ADDRESS);
  await once(server, 'listening').catch(error => {
    stopListening();
    stopFollowing();
    throw error;
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return {
    url: greeterUrl(port, token),
    close: () => {
      stopListening();
      stopFollowing();
      stream.close();
      return new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function refuse(response: ServerResponse): void {
  response.setHeader('connection', 'close'); // a body is not read
  sendProblem(response, 'forbidden');
}
