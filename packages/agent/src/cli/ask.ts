import {
  AgentStatus,
  describeProblems,
  LOCAL_PATHS,
  LoginName,
  LoginResult,
  MAX_PASSWORD_LENGTH,
  Problem,
  parseValue,
} from '@thinman/protocol';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { askAgent, type LocalAnswer } from './local-client.ts';
import { readPassword } from './password.ts';
import { describeDenial, describeGrant, describeStatus } from './words.ts';

export async function runStatus(dataDir: string, json: boolean): Promise<ExitCode> {
  const answer = await askAgent(dataDir, { method: 'GET', path: LOCAL_PATHS.status });
  const status = parseValue(AgentStatus, answer.body);
  if (answer.status !== 200 || !status.ok) throw notAsExpected(answer);
  print(json ? JSON.stringify(status.value) : describeStatus(status.value));
  return EXIT.done;
}

export async function runLogin(
  dataDir: string,
  user: string,
  passwordStdin: boolean,
  json: boolean,
): Promise<ExitCode> {
  const name = parseValue(LoginName, user);
  if (!name.ok) throw new CommandFailure(EXIT.wrongUse, `--user: ${describeProblems(name.problems)}`);
  const password = await readPassword(passwordStdin);
  if (password.length > MAX_PASSWORD_LENGTH)
    throw new CommandFailure(EXIT.wrongUse, `a password has at most ${MAX_PASSWORD_LENGTH} characters`);
  const call = { method: 'POST', path: LOCAL_PATHS.login, body: { user, password } } as const;
  const answer = await askAgent(dataDir, call, true);
  const result = parseValue(LoginResult, answer.body);
  if (answer.status !== 200 || !result.ok) throw notAsExpected(answer);
  const granted = result.value.verdict === 'granted';
  if (json) print(JSON.stringify(result.value));
  else if (granted) print(describeGrant(result.value));
  else process.stderr.write(`${describeDenial(result.value)}\n`);
  return granted ? EXIT.done : EXIT.denied;
}

export async function runLogout(dataDir: string): Promise<ExitCode> {
  const answer = await askAgent(dataDir, { method: 'POST', path: LOCAL_PATHS.logout });
  if (answer.status !== 200) throw notAsExpected(answer);
  return EXIT.done;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const CODES_OF_WRONG_USE = ['bad_request', 'too_large', 'unsupported_media'];

function notAsExpected({ status, body }: LocalAnswer): CommandFailure {
  const problem = parseValue(Problem, body);
  if (!problem.ok)
    return new CommandFailure(EXIT.failed, `the agent gave an answer of another version (HTTP ${status})`);
  const { code, title, detail, retryAfterMs } = problem.value;
  const wait = retryAfterMs === undefined ? '' : ` Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
  const exitCode = CODES_OF_WRONG_USE.includes(code) ? EXIT.wrongUse : EXIT.failed;
  return new CommandFailure(exitCode, `${detail ?? title}${wait} (${code})`);
}
