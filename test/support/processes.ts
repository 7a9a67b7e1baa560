import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PATIENCE_MS, waitFor } from './wait.ts';

/** THINMAN_PACKAGES: those of another build. */
const PACKAGES = process.env.THINMAN_PACKAGES ?? join(import.meta.dirname, '..', '..', 'packages');

/** The commands of the product, as npm links them. */
export const COMMANDS = {
  'thinman-server': join(PACKAGES, 'server', 'bin', 'thinman-server.js'),
  thinman: join(PACKAGES, 'server', 'bin', 'thinman.js'),
  'thinman-agent': join(PACKAGES, 'agent', 'bin', 'thinman-agent.js'),
} as const;
export type Command = keyof typeof COMMANDS;

/** How a process ended and all that it said. `code` is null when a signal ended it. */
export type Finished = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
};

/** One started process: what is signalled is what runs. */
export type Running = {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<Finished>;
  isRunning(): boolean;
  stdout(): string;
  stderr(): string;
  /** The first line of stdout that fits, also one that came before the call. Rejects when the process ends without it. */
  waitForLine(pattern: RegExp, withinMs?: number): Promise<string>;
  /** Nothing happens to a process that has ended: its id may be another's by now. */
  signal(signal: NodeJS.Signals): void;
  /** SIGSTOP, and waits until no thread of it runs any more. */
  freeze(): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<Finished>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<Finished>;
};

export type StartOptions = {
  /** Written to stdin, which is then closed. */
  readonly input?: string;
  /** Where it runs: a host of `network/network.ts`. Its command becomes the process that it is given. */
  readonly inside?: { readonly command: readonly string[] };
  /** Beside the variables that every process here has. */
  readonly environment?: Environment;
};

export type Environment = Readonly<Record<string, string>>;

/** Starts processes and sees to it that none of them is left. */
export type Processes = {
  /** `script`: one of the commands, or the path of a JavaScript file. */
  start(name: string, script: Command | (string & {}), args: readonly string[], options?: StartOptions): Running;
  run(script: Command | (string & {}), args: readonly string[], options?: StartOptions): Promise<Finished>;
  /** Those that run now. */
  running(): readonly Running[];
  /** Nothing can be started any more, and what runs is killed. Waits for none of them: for a process that exits. */
  killAll(): void;
  /** The same, and waits for all. */
  endAll(): Promise<void>;
};

/**
 * `logs`: folder for what the started ones say, a file each. `home`: their home folder, so that no command reads or writes
 * anything of whoever runs this.
 */
export function createProcesses(logs: string, home: string): Processes {
  mkdirSync(logs, { recursive: true });
  mkdirSync(home, { recursive: true });
  const alive = new Map<ChildProcess, Running>();
  let over = false;
  const killAll = () => {
    over = true;
    for (const child of alive.keys()) child.kill('SIGKILL');
  };

  const start: Processes['start'] = (name, script, args, options = {}) => {
    if (over) throw new Error(`${name} is not started: everything is being ended`);
    const path = Object.hasOwn(COMMANDS, script) ? COMMANDS[script as Command] : script;
    const [program = process.execPath, ...rest] = [...(options.inside?.command ?? []), process.execPath, path, ...args];
    const child = spawn(program, rest, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...environment(), HOME: home, XDG_CONFIG_HOME: join(home, '.config'), ...options.environment },
    });
    const running = follow(name, child, join(logs, `${name}.log`));
    alive.set(child, running);
    child.once('close', () => alive.delete(child));
    // A command that ends without reading its input closes the pipe: not this side's failure.
    child.stdin?.on('error', () => {}).end(options.input);
    return running;
  };

  const endAll = async () => {
    const left = [...alive.values()];
    killAll();
    await Promise.all(left.map(running => running.exited));
  };

  let runs = 0;
  return {
    start,
    run: (script, args, options) => start(`${runName(script)}-${++runs}`, script, args, options).exited,
    running: () => [...alive.values()],
    killAll,
    endAll,
  };
}

const runName = (script: string) => script.replaceAll(/[^a-z-]/g, '').slice(-32);

/** What the test runner tells its own children alone. */
const OF_THE_RUNNER: readonly string[] = ['NODE_OPTIONS', 'NODE_TEST_CONTEXT', 'NODE_CHANNEL_FD', 'NODE_COMPILE_CACHE'];

const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !OF_THE_RUNNER.includes(name)));

/** What `child` says and how it ends, from now on; what it says goes to `logFile` as well. */
export function follow(name: string, child: ChildProcess, logFile: string): Running {
  const startedMs = performance.now();
  const log = createWriteStream(logFile, { flags: 'a' });
  const said = { stdout: '', stderr: '' };
  let ended: Finished | undefined;
  let failure: Error | undefined;
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
      log.write(text);
    });
  }
  child.once('error', error => {
    failure = error;
  });
  const exited = new Promise<Finished>(resolve => {
    child.once('close', (code, signal) => {
      ended = { code, signal, ...said, elapsedMs: performance.now() - startedMs };
      log.end(`\n[${name} ended: ${signal ?? code}]\n`);
      resolve(ended);
    });
  });
  const account = () => {
    const end = ended === undefined ? 'It runs.' : `It ended: ${ended.signal ?? ended.code}. ${failure?.message ?? ''}`;
    return `${end}\n${name} said:\n${tail(said.stdout)}\n${tail(said.stderr)}`;
  };
  const pid = child.pid ?? -1;
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return exited;
  };

  return {
    name,
    pid,
    exited,
    isRunning: () => ended === undefined,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    signal: signal => void child.kill(signal),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    freeze: async () => {
      child.kill('SIGSTOP');
      await waitFor(`${name} to stand still`, () => (everyThreadIsStopped(pid) ? true : undefined));
    },
    waitForLine: (pattern, withinMs = PATIENCE_MS) =>
      waitFor(
        `a line ${pattern} of ${name}`,
        () => {
          const line = completeLines(said.stdout).find(text => pattern.test(text));
          if (line === undefined && ended !== undefined) throw new Error(`${name} never said ${pattern}. ${account()}`);
          return line;
        },
        withinMs,
        account,
      ),
  };
}

const completeLines = (text: string) => text.split('\n').slice(0, -1);

const TAIL_CHARS = 4000;
const tail = (text: string) => (text.length > TAIL_CHARS ? `…${text.slice(-TAIL_CHARS)}` : text);

function everyThreadIsStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every(thread => {
      // The state follows the last ")": a name may have any character in it.
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
    });
  } catch {
    return false;
  }
}
