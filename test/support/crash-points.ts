import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { waitFor } from './wait.ts';

/**
 * A moment on a program's way to the disk: just before it makes this system call on this file for the n-th time. What comes
 * before it is done, and it is not.
 */
export type CrashPoint = { readonly call: DiskCall; readonly file: string; readonly nth: number };

/** How SQLite brings a commit into its log: pages are written, then the file is flushed. */
const DISK_CALLS = ['pwrite64', 'fsync', 'fdatasync', 'ftruncate'] as const;
type DiskCall = (typeof DISK_CALLS)[number];

/** May strace look into processes here? */
export function canTrace(): boolean {
  return process.getuid?.() === 0 && spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
}

export const NO_STRACE = canTrace()
  ? false
  : '!!! NOT RUN: strace may not look into processes here (root is needed, and the package strace)';

/**
 * Every point that a program passes on its way to these files while `work` runs, in order. `log`: a file for what strace says.
 * The program goes on unharmed.
 */
export async function passedPoints(
  pid: number,
  files: readonly string[],
  log: string,
  work: () => Promise<unknown>,
): Promise<readonly CrashPoint[]> {
  const watch = await attach(pid, ['-y', '-o', log, ...only(files), '-e', `trace=${DISK_CALLS.join()}`]);
  await work();
  await watch.stop();
  const counts = new Map<string, number>();
  return readFileSync(log, 'utf8')
    .split('\n')
    .flatMap(line => {
      // `4711 pwrite64(22</data/site.db-wal>, "…`
      const [, call, file] = /^\d+ +(\w+)\(\d+<([^>]+)>/.exec(line) ?? [];
      if (call === undefined || file === undefined || !isDiskCall(call)) return [];
      const nth = (counts.get(call + file) ?? 0) + 1;
      counts.set(call + file, nth);
      return [{ call, file, nth }];
    });
}

/** From now on the program dies at this point (SIGKILL), as if the power went. `stop`: it need not any more. */
export function killAt(pid: number, { call, file, nth }: CrashPoint): Promise<{ stop(): Promise<void> }> {
  const kill = `inject=${call}:signal=SIGKILL:when=${nth}`;
  return attach(pid, ['-o', '/dev/null', ...only([file]), '-e', `trace=${call}`, '-e', kill]);
}

/** `the 3rd pwrite64 of site.db-wal`. */
export function describePoint({ call, file, nth }: CrashPoint): string {
  return `${call} ${nth} of ${basename(file)}`;
}

/** Where the choice of points begins, as part of one step from point to point: another one in each run. */
const OFFSET = Number(process.env.THINMAN_CRASH_OFFSET ?? Math.random().toFixed(3));
/** `all`: no choice is made. It takes minutes. */
const CHOICE = process.env.THINMAN_CRASH_POINTS;
/** For the names of tests: with what the same points are met again. */
export const CHOSEN_POINTS = CHOICE === 'all' ? 'all points' : `THINMAN_CRASH_OFFSET=${OFFSET}`;

/** At most so many of them: the first, the last, and others spread evenly between, each in its turn over many runs. */
export function choose<T>(points: readonly T[], atMost: number, offset = OFFSET): readonly T[] {
  if (points.length <= atMost || CHOICE === 'all') return points;
  const last = points.length - 1;
  const step = (last - 1) / (atMost - 2);
  const between = Array.from({ length: atMost - 2 }, (_, at) => 1 + Math.floor((at + offset) * step));
  const chosen = new Set([0, ...between, last]);
  return points.filter((_, at) => chosen.has(at));
}

const only = (files: readonly string[]) => files.flatMap(file => ['-P', file]);

function isDiskCall(call: string): call is DiskCall {
  return (DISK_CALLS as readonly string[]).includes(call);
}

/** Resolves when every thread of the program is watched. */
async function attach(pid: number, args: readonly string[]): Promise<{ stop(): Promise<void> }> {
  const strace: ChildProcess = spawn('strace', ['-f', '-p', String(pid), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  strace.stderr?.setEncoding('utf8').on('data', text => {
    said += text;
  });
  const ended = new Promise<void>(resolve => strace.once('close', () => resolve()));
  const end = () => void strace.kill('SIGTERM');
  process.once('exit', end);
  await waitFor(
    `strace to look into ${pid}`,
    () => {
      // First: on a busy machine the program, and strace with it, may have ended at its crash point by now.
      if (/attached/.test(said)) return true;
      if (strace.exitCode !== null) throw new Error(`strace does not look into ${pid}: ${said}`);
      return undefined;
    },
    undefined,
    () => said,
  );
  return {
    async stop() {
      end();
      await ended;
      process.off('exit', end);
    },
  };
}
