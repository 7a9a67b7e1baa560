import { join } from 'node:path';
import { AgentStatus, LOCAL_PATHS, LoginResult, type Version } from '@thinman/protocol';
import { asPromised } from './contract.ts';
import { createDaemon, type Daemon } from './daemon.ts';
import { askSocket } from './local-socket.ts';
import type { Environment, Finished, Processes } from './processes.ts';
import { waitFor } from './wait.ts';

/** One login as the person saw it. Without an answer (`code` 2, 3 or 4) it may have been recorded or not. */
export type SeenLogin = {
  readonly device: string;
  readonly user: string;
  readonly answer: LoginResult | undefined;
  readonly code: number | null;
  readonly stderr: string;
  /** From starting the command to its end. */
  readonly elapsedMs: number;
};

/** What devices said of themselves, to be held against the events that reached the site. */
export type DeviceHistory = {
  readonly logins: SeenLogin[];
  readonly versions: { readonly device: string; readonly version: Version }[];
};

/** One thin client: a running `thinman-agent` and what is asked of it. */
export type Agent = Daemon & {
  readonly data: string;
  /** `thinman-agent VERB --data …`. */
  command(verb: string, args?: readonly string[]): Promise<Finished>;
  enroll(token: string): Promise<Finished>;
  login(user: string, password: string): Promise<SeenLogin>;
  logout(): Promise<Finished>;
  /** Throws when the agent cannot be reached or says what the contract does not have. */
  status(): Promise<AgentStatus>;
  /** Asks until it is as wanted; `what` for the message if it never is. */
  waitForStatus(what: string, wanted: (status: AgentStatus) => boolean, withinMs?: number): Promise<AgentStatus>;
};

/** `environment`: of what runs as the device itself (enrolment and agent), not of the commands that ask it. */
export function createAgentCommands(
  processes: Processes,
  name: string,
  data: string,
  history: DeviceHistory,
  environment: Environment = {},
  /** Beside `start --data`. */
  startOptions: readonly string[] = [],
): Agent {
  const command = (verb: string, args: readonly string[], input?: string) =>
    processes.run('thinman-agent', [verb, '--data', data, ...args], input === undefined ? {} : { input });

  const remember = ({ epoch, generation }: AgentStatus) =>
    history.versions.push({ device: name, version: { epoch, generation } });
  /** What `thinman-agent status --json` prints: asked too often for a process each time. */
  const askStatus = async () => {
    const told = await askSocket(join(data, 'control.sock'), LOCAL_PATHS.status, AgentStatus);
    if (told !== undefined) remember(told);
    return told;
  };
  const status = async () => {
    const told = await askStatus();
    if (told === undefined) throw new Error(`the agent ${name} does not answer`);
    return told;
  };

  return {
    ...createDaemon(processes, name, 'thinman-agent', ['start', '--data', data, ...startOptions], { environment }),
    data,
    command: (verb, args = []) => command(verb, args),
    enroll: token => processes.run('thinman-agent', ['enroll', token, '--data', data, '--name', name], { environment }),
    login: async (user, password) => {
      const finished = await command('login', ['--user', user, '--password-stdin', '--json'], password);
      const { code, stdout, stderr, elapsedMs } = finished;
      const answer = code === 0 || code === 1 ? asPromised(LoginResult, stdout) : undefined;
      const seen: SeenLogin = { device: name, user, answer, code, stderr, elapsedMs };
      history.logins.push(seen);
      return seen;
    },
    logout: () => command('logout', []),
    status,
    waitForStatus: (what, wanted, withinMs) => {
      let last: AgentStatus | undefined;
      return waitFor(
        `${name}: ${what}`,
        async () => {
          last = await askStatus();
          return last !== undefined && wanted(last) ? last : undefined;
        },
        withinMs,
        () => JSON.stringify(last) ?? 'nobody answers',
      );
    },
  };
}
