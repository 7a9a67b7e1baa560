import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { SecureVersion, TlsOptions } from 'node:tls';
import { MAX_BODY_BYTES, PROBLEM_CONTENT_TYPE, type Problem, problem } from '@thinman/protocol';
import fastify, { type FastifyReply, type FastifyServerFactoryHandler } from 'fastify';
import type { Logger } from 'pino';
import { type HttpApp, useCodec } from './codec.ts';
import { type ConnectionLimits, DEFAULT_CONNECTION_LIMITS, limitConnections } from './connection-limits.ts';
import { useNotFound } from './method-not-allowed.ts';
import { createErrorHandler, problemOf, sendProblem, sendProblemDocument } from './problems.ts';
import { routeUpgrades, type UpgradeRouter } from './upgrades.ts';

/** A body must be there whole within this time: stops connections that trickle. Far above 32 MiB on a slow line of 10 Mbit/s. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Headers come in one packet or two. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Node looks for the two above this often (its default is 30 s). */
const TIMEOUT_CHECK_MS = 5_000;
/** Node's default of 120 s would let a silent stranger hold a socket for two minutes. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/**
 * Beside its channel a device needs one for a login and what follows from it; the handshake of the next login takes less than its
 * Argon2id, beside which it is made. An idle one costs 65 kB (`traps.md`), as much as the channel (ADR 0037).
 */
const KEEP_ALIVE_MS = 30_000;
/** 5,000 devices that reconnect at once: 6.9 s with this, 8.0 s with Node's 511 (`traps.md`). */
const LISTEN_BACKLOG = 4_096;
/** Longest name in a path: 128 code points, percent-encoded. */
const MAX_PARAM_LENGTH = 128 * 12;
const MIN_TLS_VERSION: SecureVersion = 'TLSv1.2';

/** PEM. `ca`: of what the site's CAs sign; a client's certificate is verified against these alone. */
export type TlsIdentity = { readonly key: string; readonly cert: string; readonly ca: readonly string[] };

export type SiteHttp = {
  readonly app: HttpApp;
  readonly upgrades: UpgradeRouter;
  /** New connections get these; open ones stay. */
  setTls(identity: TlsIdentity): void;
  /** Returns where it listens: port 0 lets the system choose. */
  listen(host: string, port: number): Promise<{ readonly port: number }>;
};

/**
 * The server's HTTPS side: JSON in and out by the protocol's codec, problem documents as the only form of an error.
 * A client certificate is asked for but never refused by TLS: the application answers (`traps.md`, Node and TLS).
 */
export function createHttpApp(deps: {
  readonly tls: TlsIdentity;
  readonly log: Logger;
  /** Default: the constants above. */
  readonly timeouts?: Partial<typeof TIMEOUTS>;
  readonly limits?: ConnectionLimits;
}): SiteHttp {
  let server: TlsServer | undefined;
  const app = build(deps.log, handler => {
    server = createTlsServer({ ...tlsOptions(deps.tls), ...TIMEOUTS, ...deps.timeouts }, handler);
    server.on('tlsClientError', error => deps.log.debug({ err: error }, 'a TLS handshake failed'));
    limitConnections(server, deps.limits ?? DEFAULT_CONNECTION_LIMITS, deps.log);
    return server;
  });
  const upgrades = routeUpgrades(app.server, deps.log);
  app.addHook('preClose', async () => upgrades.close());
  return {
    app,
    upgrades,
    setTls: identity => server?.setSecureContext(tlsOptions(identity)),
    async listen(host, port) {
      await app.listen({ host, port, backlog: LISTEN_BACKLOG });
      const address = app.server.address();
      return { port: typeof address === 'object' && address !== null ? address.port : port };
    },
  };
}

/** The same without TLS, for the local admin socket: whoever may open that is an owner. */
export function createLocalApp(deps: { readonly log: Logger }): HttpApp {
  return build(deps.log, handler => createHttpServer(TIMEOUTS, handler));
}

const TIMEOUTS = {
  requestTimeout: REQUEST_TIMEOUT_MS,
  headersTimeout: HEADERS_TIMEOUT_MS,
  connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
  noDelay: true,
  // Node would refuse it without a problem document; `build` does it with one.
  requireHostHeader: false,
};

/** No `ticketKeys`: each process makes its own, so that no ticket of one server is worth anything at another. */
function tlsOptions({ key, cert, ca }: TlsIdentity): TlsOptions {
  return {
    key,
    cert,
    ca: [...ca],
    requestCert: true,
    // TLS would cut a device off without a word; the application answers it 403 with the reason.
    rejectUnauthorized: false,
    minVersion: MIN_TLS_VERSION,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
}

function build(log: Logger, serverFactory: (handler: FastifyServerFactoryHandler) => Server): HttpApp {
  const app: HttpApp = fastify({
    serverFactory(handler) {
      const server = serverFactory(handler);
      // An expectation that nobody knows may be passed over (RFC 9110, 10.1.1); Node would refuse it without a problem document.
      server.on('checkExpectation', (request, response) => server.emit('request', request, response));
      return server;
    },
    bodyLimit: MAX_BODY_BYTES,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, _request, reply) => {
      sendProblemDocument(reply as FastifyReply, problemOf(error));
    },
  }).withTypeProvider();
  app.addHook('onRequest', async ({ raw }, reply) => {
    if (raw.httpVersion === '1.1' && raw.headers.host === undefined) return sendProblem(reply, 'bad_request');
    return undefined;
  });
  useCodec(app);
  useNotFound(app);
  app.setErrorHandler(createErrorHandler(log));
  return app;
}

/** What Node's HTTP parser refuses never reaches fastify. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const document = problemOfClient(error.code);
  const body = JSON.stringify(document);
  const head = [
    `HTTP/1.1 ${document.status} Refused`,
    `content-type: ${PROBLEM_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function problemOfClient(code: string | undefined): Problem {
  // Of a connection that was silent as well: who asks in that very moment takes this for the answer, and has not asked badly.
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return problem('overloaded', { detail: 'The request did not come in time.' });
  return problem(code === 'HPE_HEADER_OVERFLOW' ? 'too_large' : 'bad_request');
}
