import type {
  AgentStatus,
  ConnectionStatus,
  LocalLockAnswer,
  LoginResult,
  Problem,
  SessionView,
} from '@thinman/protocol';
import { LOCAL_PATHS } from '@thinman/protocol/local-api';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { askAgent, LOGIN_DEADLINE_MS, type LocalAnswer } from './local-client.ts';
import { readPassword } from './password.ts';

// What answers is this device's own agent, over a socket that only it could make: its JSON is taken as it is, and the
// schemas (a quarter of a second of loading on a thin client) are left out of the commands that people wait for.

export async function runStatus(dataDir: string, json: boolean): Promise<ExitCode> {
  const status = taken<AgentStatus>(await askAgent(dataDir, { method: 'GET', path: LOCAL_PATHS.status }));
  print(json ? JSON.stringify(status) : (await import('./words.ts')).describeStatus(status));
  return EXIT.done;
}

export async function runLogin(
  dataDir: string,
  user: string,
  passwordStdin: boolean,
  json: boolean,
): Promise<ExitCode> {
  if (user === '') throw new CommandFailure(EXIT.wrongUse, '--user is empty: name who logs in');
  const password = await readPassword(passwordStdin);
  const body = { user, password };
  const call = { method: 'POST', path: LOCAL_PATHS.login, body, deadlineMs: LOGIN_DEADLINE_MS } as const;
  return tellResult(taken<LoginResult>(await askAgent(dataDir, call, true)), json);
}

async function tellResult(result: LoginResult, json: boolean): Promise<ExitCode> {
  const granted = result.verdict === 'granted';
  if (json) {
    print(JSON.stringify(result));
  } else {
    const { describeDenial, describeGrant } = await import('./words.ts');
    if (granted) print(describeGrant(result));
    else process.stderr.write(`${describeDenial(result)}\n`);
  }
  return granted ? EXIT.done : EXIT.denied;
}

const NOTHING_TO_LOCK = {
  nobody: 'nobody is signed in on this device: there is nothing to lock',
  kiosk: 'this device has signed itself in (session.autologin), and is never locked',
} as const;

export async function runLock(dataDir: string): Promise<ExitCode> {
  const { why } = taken<Partial<LocalLockAnswer>>(
    await askAgent(dataDir, { method: 'POST', path: LOCAL_PATHS.lock }, true),
  );
  // No failure: hooks lock whenever a lid is closed.
  if (why !== undefined) print(NOTHING_TO_LOCK[why]);
  return EXIT.done;
}

export async function runUnlock(dataDir: string, passwordStdin: boolean, json: boolean): Promise<ExitCode> {
  const body = { password: await readPassword(passwordStdin) };
  const call = { method: 'POST', path: LOCAL_PATHS.unlock, body, deadlineMs: LOGIN_DEADLINE_MS } as const;
  return tellResult(taken<LoginResult>(await askAgent(dataDir, call, true)), json);
}

export async function runSession(dataDir: string, json: boolean): Promise<ExitCode> {
  const session = taken<SessionView>(await askAgent(dataDir, { method: 'GET', path: LOCAL_PATHS.session }));
  print(json ? JSON.stringify(session) : (await import('./words.ts')).describeSession(session));
  return EXIT.done;
}

export async function runConnection(dataDir: string, verb: 'connect' | 'disconnect', name: string): Promise<ExitCode> {
  const call = { method: 'POST', path: LOCAL_PATHS[verb], body: { name } } as const;
  const { state, why } = taken<ConnectionStatus>(await askAgent(dataDir, call));
  if (verb === 'disconnect' || state !== 'failed') return EXIT.done;
  throw new CommandFailure(EXIT.failed, `${name} cannot be opened: ${why}`);
}

export async function runLogout(dataDir: string): Promise<ExitCode> {
  taken(await askAgent(dataDir, { method: 'POST', path: LOCAL_PATHS.logout }));
  return EXIT.done;
}

export async function runActivity(dataDir: string, idle: boolean): Promise<ExitCode> {
  taken(await askAgent(dataDir, { method: 'POST', path: LOCAL_PATHS.activity, body: { idle } }, true));
  return EXIT.done;
}

/** Prints the URL alone. It holds the token of the page: for the command that starts the browser, not for a log. */
export async function runGreeter(dataDir: string): Promise<ExitCode> {
  const { url } = taken<{ url: string }>(await askAgent(dataDir, { method: 'GET', path: LOCAL_PATHS.greeter }));
  print(url);
  return EXIT.done;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const CODES_OF_WRONG_USE: readonly unknown[] = ['bad_request', 'not_found', 'too_large', 'unsupported_media'];

function taken<T>({ status, body }: LocalAnswer): T {
  if (status === 200) return body as T;
  const { code = 'unknown', title = 'The agent refused', detail, retryAfterMs } = body as Partial<Problem>;
  const wait = retryAfterMs === undefined ? '' : ` Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
  const exitCode = CODES_OF_WRONG_USE.includes(code) ? EXIT.wrongUse : EXIT.failed;
  throw new CommandFailure(exitCode, `${detail ?? title}${wait} (${code})`);
}
