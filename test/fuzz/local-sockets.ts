import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentStatus, LoginResult } from '@thinman/protocol';
import { agentPaths } from '../../packages/agent/src/config.ts';
import type { LocalAgent } from '../../packages/agent/src/local/local-agent.ts';
import { createLocalServers } from '../../packages/agent/src/local/local-servers.ts';
import { type Answer, wrongIn } from './answers.ts';
import { CONTROL_ROUTES, type FuzzRequest, LOGIN_ROUTES, requestsTo } from './requests.ts';
import type { Target } from './target.ts';

const STATUS: AgentStatus = {
  device: 'tc-1',
  mode: 'offline',
  server: null,
  servers: [],
  epoch: 1,
  generation: 1,
  session: null,
  pendingEvents: 0,
};
const DENIED: LoginResult = {
  verdict: 'denied',
  reason: 'credentials_invalid',
  mode: 'offline',
  server: null,
  user: 'alice',
  epoch: 1,
  generation: 1,
  elapsedMs: 1,
};

/** Denies everybody, and says back who asked. */
const stubbornAgent: LocalAgent = {
  status: () => STATUS,
  changePassword: async user => ({ changed: false, reason: 'primary_needed', user }),
  emergency: () => ({ kind: 'refused', code: 'emergency_invalid' }),
  login: async user => ({ ...DENIED, user }),
  logout: async () => {},
  lock: () => {},
  unlock: async () => DENIED,
  mayEnd: () => true,
  activity: () => {},
  session: () => ({ user: null, connections: [] }),
  connect: () => 'unknown',
  disconnect: () => 'unknown',
  onChange: () => () => {},
};

/** The agent's sockets in a folder of their own, with nobody behind them. */
export async function openLocalSockets() {
  const dataDir = mkdtempSync(join(tmpdir(), 'thinman-fuzz-'));
  let nowMs = 0;
  // Each look at the clock is a minute later: the limit of `login.sock` is another test's.
  const servers = await createLocalServers({ dataDir, agent: stubbornAgent, nowMs: () => (nowMs += 60_000) });
  return {
    paths: agentPaths(dataDir),
    async close() {
      await servers.close();
      rmSync(dataDir, { recursive: true });
    },
  };
}

/** What the device's own programs ask: `control.sock` is its administrator's, `login.sock` everybody's. */
export function localSocket(name: 'control' | 'login'): Target<FuzzRequest> {
  const routes = name === 'control' ? CONTROL_ROUTES : LOGIN_ROUTES;
  return {
    name: `${name}.sock`,
    parts: 6,
    inputs: requestsTo(routes),
    async open() {
      const { paths, close } = await openLocalSockets();
      const socketPath = name === 'control' ? paths.controlSocket : paths.loginSocket;
      const agent = new Agent({ keepAlive: true });
      return {
        async check(request) {
          return wrongIn(routes, request, await send(agent, socketPath, request));
        },
        async close() {
          agent.destroy();
          await close();
        },
      };
    },
  };
}

/** A kept connection may have been closed after the answer before: then a second one is asked. */
async function send(agent: Agent, socketPath: string, request: FuzzRequest): Promise<Answer> {
  try {
    return await sendOnce(agent, socketPath, request);
  } catch {
    return sendOnce(agent, socketPath, request);
  }
}

function sendOnce(agent: Agent, socketPath: string, { method, path, headers, body }: FuzzRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const sent = httpRequest({ socketPath, method, path, agent, headers: { ...headers, ...length } }, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', chunk => {
        text += chunk;
      });
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, contentType: answer.headers['content-type'], text }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
