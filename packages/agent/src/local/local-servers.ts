import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import {
  ActivityReport,
  type AgentStatus,
  ConnectionRequest,
  LOCAL_PATHS,
  type PublicAgentStatus,
} from '@thinman/protocol';
import { agentPaths } from '../config.ts';
import { createServer } from '../node-http.ts';
import { type ConnectionRoom, createConnectionRoom } from './connection-room.ts';
import { emergencyRoute } from './emergency-route.ts';
import { createEventStream } from './event-stream.ts';
import { createFailureLimit, MAX_FAILURES_AN_HOUR } from './failure-limit.ts';
import { sendJson, sendProblem, takeBody } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';
import type { UnixAccountSettings } from './local-settings.ts';
import { lockRoute } from './lock-route.ts';
import { loginRoute } from './login-route.ts';
import { createPamRoute } from './pam-route.ts';
import { passwordRoute } from './password-route.ts';
import type { Called } from './try-route.ts';
import { listenOnSocket } from './unix-socket.ts';
import { unlockRoute } from './unlock-route.ts';

const CONTROL_MODE = 0o600;
const LOGIN_MODE = 0o666;
/** Far above what greeters, lockers and commands have open. */
const MAX_CONNECTIONS = 64;
/** A request must be here in this time; answers may take as long as a login. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Node looks for late ones this often (its default is 30 s). */
const TIMEOUT_CHECK_MS = 2_000;

const NO_GREETER = 'this agent serves no greeter page: start it with --greeter PORT';

export type LocalServers = { close(): Promise<void> };

type Handler = (request: IncomingMessage, response: ServerResponse, room: ConnectionRoom) => Promise<void> | void;
type Routes = Readonly<Record<string, Handler>>;

/**
 * The device's own sockets: `control.sock` for its administrator, `login.sock` for whoever may reach it, with login and
 * public state alone. Throws SocketUnusable.
 */
export async function createLocalServers(options: {
  readonly dataDir: string;
  readonly agent: LocalAgent;
  /** Monotonic, ms. */
  readonly nowMs?: () => number;
  /** How whoever logs in through PAM becomes a Unix user; default: not at all. */
  readonly unixAccounts?: UnixAccountSettings | undefined;
  /** The accounts of the machine itself. */
  readonly passwdFile?: string;
  /** Where the greeter page is, with its token; for whoever speaks for the device. */
  readonly greeterUrl?: () => string | undefined;
  /** Something of the machine that stands in the way of a login. */
  readonly onTrouble?: (error: unknown) => void;
  /** Runs something later; gives how to stop it. */
  readonly after?: (delayMs: number, action: () => void) => () => void;
}): Promise<LocalServers> {
  const { agent } = options;
  const paths = agentPaths(options.dataDir);
  const limit = createFailureLimit(options.nowMs ?? (() => performance.now()), MAX_FAILURES_AN_HOUR);
  const full = createEventStream(() => agent.status());
  const limited = createEventStream(() => publicStatus(agent.status()));
  const stopListening = agent.onChange(() => {
    full.changed();
    limited.changed();
  });

  const pam = createPamRoute(options);

  const activity: Handler = async (request, response) => {
    const body = await takeBody(ActivityReport, request, response);
    if (body === undefined) return;
    agent.activity(body.idle);
    sendJson(response, {});
  };
  const lock: Handler = (_request, response) => lockRoute(agent, response);
  const control = serve({
    [`GET ${LOCAL_PATHS.status}`]: (_request, response) => sendJson(response, agent.status()),
    [`GET ${LOCAL_PATHS.events}`]: (_request, response, room) => addListener(full, response, room),
    [`POST ${LOCAL_PATHS.login}`]: (...call) => loginRoute(agent, called(call)),
    [`POST ${LOCAL_PATHS.pam}`]: (request, response, room) => pam(request, response, room),
    [`GET ${LOCAL_PATHS.greeter}`]: (_request, response) => {
      const url = options.greeterUrl?.();
      if (url === undefined) sendProblem(response, 'not_found', { detail: NO_GREETER });
      else sendJson(response, { url });
    },
    [`POST ${LOCAL_PATHS.emergency}`]: (...call) => emergencyRoute(agent, called(call)),
    [`POST ${LOCAL_PATHS.password}`]: (...call) => passwordRoute(agent, called(call)),
    [`POST ${LOCAL_PATHS.logout}`]: async (_request, response, room) => {
      room.isServed(response);
      await agent.logout();
      sendJson(response, {});
    },
    [`POST ${LOCAL_PATHS.activity}`]: activity,
    [`POST ${LOCAL_PATHS.lock}`]: lock,
    [`POST ${LOCAL_PATHS.unlock}`]: (...call) => unlockRoute(agent, called(call)),
    [`GET ${LOCAL_PATHS.session}`]: (_request, response) => sendJson(response, agent.session()),
    [`POST ${LOCAL_PATHS.connect}`]: (request, response) => onConnection(agent, 'connect', request, response),
    [`POST ${LOCAL_PATHS.disconnect}`]: (request, response) => onConnection(agent, 'disconnect', request, response),
  });
  const open = serve({
    [`GET ${LOCAL_PATHS.status}`]: (_request, response) => sendJson(response, publicStatus(agent.status())),
    [`GET ${LOCAL_PATHS.events}`]: (_request, response, room) => addListener(limited, response, room),
    [`POST ${LOCAL_PATHS.login}`]: (...call) => loginRoute(agent, called(call, limit)),
    [`POST ${LOCAL_PATHS.pam}`]: (request, response, room) => pam(request, response, room, limit),
    [`POST ${LOCAL_PATHS.activity}`]: activity,
    [`POST ${LOCAL_PATHS.lock}`]: lock,
    [`POST ${LOCAL_PATHS.unlock}`]: (...call) => unlockRoute(agent, called(call, limit)),
    [`POST ${LOCAL_PATHS.emergency}`]: (...call) => emergencyRoute(agent, called(call, limit)),
    [`POST ${LOCAL_PATHS.password}`]: (...call) => passwordRoute(agent, called(call, limit)),
  });

  const close = async () => {
    stopListening();
    full.close();
    limited.close();
    await Promise.all([stop(control), stop(open)]);
  };
  try {
    await listenOnSocket(control, paths.controlSocket, CONTROL_MODE);
    await listenOnSocket(open, paths.loginSocket, LOGIN_MODE);
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

function serve(routes: Routes): Server {
  const timeouts = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Node's default of 60 s would hold for those who say nothing at all.
    headersTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  };
  const server = createServer(timeouts, (request, response) => {
    const handler = routes[`${request.method} ${request.url}`];
    if (handler === undefined) {
      sendProblem(response, 'not_found');
      return;
    }
    Promise.resolve(handler(request, response, room)).catch(() => {
      // The caller has gone, or the agent is stopping.
      if (response.headersSent) response.destroy();
      else sendProblem(response, 'internal');
    });
  });
  const room = createConnectionRoom(server, MAX_CONNECTIONS);
  return server;
}

/** Answers how the connection stands then. */
async function onConnection(
  agent: LocalAgent,
  what: 'connect' | 'disconnect',
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await takeBody(ConnectionRequest, request, response);
  if (body === undefined) return;
  const { name } = body;
  if (what === 'connect' && agent.status().session?.locked === true) {
    return sendProblem(response, 'forbidden', { detail: 'the session is locked: unlock it first' });
  }
  if (agent[what](name) === 'unknown') {
    sendProblem(response, 'not_found', {
      detail: `there is no connection ${name}: \`thinman-agent session\` lists them`,
    });
    return;
  }
  sendJson(response, agent.session().connections.find(connection => connection.name === name) ?? {});
}

function called([request, response, room]: Parameters<Handler>, limit?: Called['limit']): Called {
  return { request, response, room, limit };
}

function addListener(
  stream: ReturnType<typeof createEventStream>,
  response: ServerResponse,
  room: ConnectionRoom,
): void {
  if (stream.add(response)) room.isServed(response);
  else sendProblem(response, 'overloaded');
}

function publicStatus({ device, mode, session, loginMessage }: AgentStatus): PublicAgentStatus {
  return { device, mode, session, ...(loginMessage !== undefined && { loginMessage }) };
}

/** Node removes the socket's file with its server. */
function stop(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
