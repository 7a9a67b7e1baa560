import { agentPaths } from '../config.ts';
import { errorCode } from '../error-code.ts';
import { request } from '../node-http.ts';
import { CommandFailure, EXIT } from './exit.ts';

export type LocalAnswer = { readonly status: number; readonly body: unknown };
type LocalCall = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  /** Default: ANSWER_DEADLINE_MS. */
  readonly deadlineMs?: number;
};

/** No agent listens on it, or it is not ours to open. */
const ABSENT: readonly string[] = ['ENOENT', 'ECONNREFUSED', 'ENOTDIR'];
const FORBIDDEN: readonly string[] = ['EACCES', 'EPERM'];
/** An agent says its state, and ends a session, from memory: one that has not done so by then hangs. */
export const ANSWER_DEADLINE_MS = 5_000;
/** A login: 4 s for the servers, and the derivation of the password on the slowest device, with others waiting before it. */
export const LOGIN_DEADLINE_MS = 60_000;

/**
 * Asks the running agent over `control.sock`; with `orLogin`, over `login.sock` where the other is closed to this user.
 * Throws CommandFailure 3 when no agent answers.
 */
export async function askAgent(dataDir: string, call: LocalCall, orLogin = false): Promise<LocalAnswer> {
  const { controlSocket, loginSocket } = agentPaths(dataDir);
  try {
    return await ask(controlSocket, call).catch(error => {
      if (orLogin && FORBIDDEN.includes(errorCode(error) ?? '')) return ask(loginSocket, call);
      throw error;
    });
  } catch (error) {
    throw unreachable(error, dataDir);
  }
}

function ask(socketPath: string, call: LocalCall): Promise<LocalAnswer> {
  return new Promise((resolve, reject) => {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const headers =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const { method, path, deadlineMs = ANSWER_DEADLINE_MS } = call;
    const signal = AbortSignal.timeout(deadlineMs);
    const sent = request({ socketPath, method, path, headers, agent: false, signal }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
        } catch (error) {
          reject(error);
        }
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function unreachable(error: unknown, dataDir: string): CommandFailure {
  const code = errorCode(error) ?? '';
  if (ABSENT.includes(code))
    return new CommandFailure(
      EXIT.notReachable,
      `no agent is running on ${dataDir}: start it with \`thinman-agent start --data ${dataDir}\``,
    );
  if (FORBIDDEN.includes(code))
    return new CommandFailure(
      EXIT.notReachable,
      `the sockets in ${dataDir} are closed to this user: run this as the user of the agent`,
    );
  if (code === 'ABORT_ERR')
    return new CommandFailure(
      EXIT.notReachable,
      `the agent on ${dataDir} gives no answer: look at its log, or restart it`,
    );
  return new CommandFailure(
    EXIT.notReachable,
    `the agent on ${dataDir} did not answer (${code === '' ? 'cut off' : code}): look at its log, or restart it`,
  );
}
