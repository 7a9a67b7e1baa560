import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { removeFile, writeFileAtomic } from '../../atomic-file.ts';
import { childProcess } from '../../child-process.ts';
import type { ClientEnd } from '../../core/connection.ts';
import { errorCode } from '../../error-code.ts';
import type { Clock } from '../../ports.ts';
import { brief } from '../brief.ts';
import { FILE, type Launch, meaningOf } from '../launchers/launch.ts';
import type { MemoryFolder } from '../memory-folder.ts';

/** A client saves nothing that takes longer; then it is killed. */
const STOP_DEADLINE_MS = 5_000;
/** Where its first process has ended, whether others of its group go on. */
const LOOK_EVERY_MS = 1_000;
/** What is kept of standard error: enough for its last line. */
const STDERR_KEPT_BYTES = 4_096;
const FILE_MODE = 0o600;
/** Of util-linux, which every Debian has. */
const SETPRIV = '/usr/bin/setpriv';
const ASKPASS = '/usr/bin/ssh-askpass';
const FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin'] as const;
/** What of the agent's own environment a client needs to find screen, sound and its words. */
const HANDED_ON = [
  'XAUTHORITY',
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
  'PULSE_SERVER',
  'LANG',
  'LC_ALL',
  'TZ',
] as const;

/** Under whom clients run, and where they show. */
export type ClientOptions = {
  /** `:0`, or the name of a Wayland socket. */
  readonly display: string;
  /** Default: the agent's own user. */
  readonly user?:
    | { readonly uid: number; readonly gid: number; readonly name: string; readonly home: string }
    | undefined;
};
export type ClientSurroundings = ClientOptions & {
  /** For files that a client reads; without it those clients cannot be started. */
  readonly folder?: MemoryFolder | undefined;
};

export type Client = {
  /** SIGTERM to it and its children; SIGKILL when it has not ended by then. */
  stop(): void;
  /** Never rejects. */
  readonly ended: Promise<ClientEnd>;
  /** Why none was started, for who asked for it and waits for an answer; `ended` says the same. */
  readonly unfit?: string;
};

/** `session`: what its processes, and theirs, can be told by afterwards. */
export type StartClient = (launch: Launch, password: Buffer | undefined, session: string) => Client;

/** In the environment of clients: of which session they are, so that none of them outlives it. */
export const CONNECTIONS_MARK = 'THINMAN_CONNECTIONS';

/** Starts clients as processes, each in a group of its own. */
export function createStartClient(clock: Pick<Clock, 'after'>, surroundings: ClientSurroundings): StartClient {
  const { user, folder } = surroundings;
  const environment = environmentOf(surroundings);
  let files = 0;

  function writeFile({ file }: Launch): string | undefined {
    if (file === undefined) return undefined;
    if (folder === undefined) throw new Error('the agent has no folder in memory: start it with --runtime');
    const path = join(folder.require(), `${++files}-${file.name}`);
    writeFileAtomic(path, file.content, FILE_MODE, folder.owner);
    return path;
  }

  return (launch, password, session) => {
    const program = findProgram(launch.programs);
    if (program === undefined) {
      return unfit(`none of ${launch.programs.join(', ')} is on this device: install one of them`);
    }
    const { first } = launch;
    if (first?.isNeeded === true && findProgram(first.programs) === undefined) {
      return unfit(`none of ${first.programs.join(', ')} is on this device: install one of them`);
    }
    let path: string | undefined;
    try {
      path = writeFile(launch);
    } catch (error) {
      return unfit(error instanceof Error ? error.message : 'its file cannot be written');
    }
    const command = [
      ...become(user),
      ...beforehand(first, path),
      program,
      ...(path === undefined ? [] : [path]),
      ...launch.args,
    ];
    const started = spawned(command, {
      cwd: environment.HOME,
      env: { ...environment, [CONNECTIONS_MARK]: session },
      stdio: [launch.password === 'stdin' ? 'pipe' : 'ignore', 'ignore', 'pipe'],
      detached: true,
    });
    if (typeof started === 'string') {
      forget(path);
      return unfit(`${program} cannot be started (${started})`);
    }
    const child = started;
    handOver(child, password);
    let said: Buffer = Buffer.alloc(0);
    child.stderr?.on('data', (chunk: Buffer) => {
      said = Buffer.concat([said, chunk.subarray(-STDERR_KEPT_BYTES)]).subarray(-STDERR_KEPT_BYTES);
    });
    let cancelKill = () => {};
    const ended = new Promise<ClientEnd>(resolve => {
      const end = (how: ClientEnd) => {
        cancelKill();
        // A client whose main process is gone leaves nothing behind.
        signal(child, 'SIGKILL');
        child.stderr?.destroy();
        forget(path);
        resolve(how);
      };
      child.once('error', error =>
        end({ kind: 'unfit', why: `${program} cannot be started (${errorCode(error) ?? error.name})` }),
      );
      child.once('exit', (code, by) => {
        const kind = meaningOf(launch, code);
        const words = lastLine(said);
        const why = brief(`${words === '' ? program : words} (${by ?? `exit ${code}`})`);
        const how: ClientEnd = kind === 'ended' ? { kind } : { kind, why };
        if (launch.lingers === true && kind === 'ended') whenGroupIsGone(() => end(how));
        else end(how);
      });
      function whenGroupIsGone(then: () => void): void {
        if (!signal(child, 0)) then();
        else clock.after(LOOK_EVERY_MS, () => whenGroupIsGone(then));
      }
    });
    return {
      ended,
      stop() {
        signal(child, 'SIGTERM');
        cancelKill = clock.after(STOP_DEADLINE_MS, () => signal(child, 'SIGKILL'));
      },
    };
  };
}

/** A code: it cannot be. Some errors come as an event, and some are thrown: too long arguments, a home that is no folder. */
function spawned(command: readonly string[], options: SpawnOptions): ChildProcess | string {
  try {
    return childProcess().spawn(SETPRIV, command, options);
  } catch (error) {
    return errorCode(error) ?? 'unknown';
  }
}

/** What cannot be removed now is removed with everything else at the next start: a client's end is waited for. */
function forget(path: string | undefined): void {
  try {
    if (path !== undefined) removeFile(path);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

/** The client becomes its user, with all groups (sound, smart cards); and ends with the agent, however that ends. */
function become(user: ClientOptions['user']): readonly string[] {
  const as =
    user === undefined || user.uid === process.getuid?.()
      ? []
      : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups'];
  return [...as, '--pdeathsig=KILL', '--'];
}

/** A shell that runs a first program with its arguments, then becomes the client: one process group, ended as one. */
function beforehand(first: Launch['first'], path = ''): readonly string[] {
  const program = first && findProgram(first.programs);
  if (first === undefined || program === undefined) return [];
  const words = [program, ...first.args.map(word => (word === FILE ? path : word))];
  const quoted = words.map((_, at) => `"$\{${at + 1}}"`).join(' ');
  // Neither has standard input: that is the client's, where a password may stand.
  return ['/bin/sh', '-c', `${quoted} </dev/null; shift ${words.length}; exec "$@"`, 'sh', ...words];
}

/** The password and a line feed, in a buffer that is cleared when it has been written. */
function handOver(child: ChildProcess, password: Buffer | undefined): void {
  const { stdin } = child;
  if (stdin === null) return;
  stdin.on('error', () => {}); // it ended without reading
  const line = Buffer.concat([password ?? Buffer.alloc(0), Buffer.from('\n')]);
  stdin.end(line, () => line.fill(0));
}

/** To its process group; 0 only looks. False: all of them have ended. */
function signal({ pid }: ChildProcess, name: NodeJS.Signals | 0): boolean {
  try {
    return pid !== undefined && process.kill(-pid, name);
  } catch {
    return false;
  }
}

/** In the place of a client that cannot be started. */
export function unfit(why: string): Client {
  return { stop() {}, ended: Promise.resolve({ kind: 'unfit', why }), unfit: why };
}

/** The first of them that is there. */
function findProgram(programs: readonly string[]): string | undefined {
  return programs
    .flatMap(program => (isAbsolute(program) ? [program] : FOLDERS.map(folder => join(folder, program))))
    .find(path => existsSync(path));
}

function environmentOf({ display, user }: ClientSurroundings): Record<string, string> & { HOME: string } {
  const handedOn = HANDED_ON.flatMap(name => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const screen = /^:|^[A-Za-z0-9.-]+:\d/.test(display) ? 'DISPLAY' : 'WAYLAND_DISPLAY';
  return {
    ...Object.fromEntries(handedOn),
    PATH: FOLDERS.join(':'),
    HOME: user?.home ?? process.env.HOME ?? '/',
    ...(user !== undefined && { USER: user.name, LOGNAME: user.name }),
    [screen]: display,
    // FreeRDP 3 asks by it for a password that it was not given.
    ...(existsSync(ASKPASS) && { FREERDP_ASKPASS: ASKPASS }),
  };
}

function lastLine(said: Buffer): string {
  return (
    said
      .toString('utf8')
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1) ?? ''
  );
}
