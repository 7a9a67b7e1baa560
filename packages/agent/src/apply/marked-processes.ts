import { readdirSync, readFileSync } from 'node:fs';
import { errorCode } from '../error-code.ts';

/** Each pass kills what was there when it began; what was forked meanwhile is met by the next. */
const MAX_PASSES = 10;

/** One process, as far as it matters here. */
export type Process = {
  readonly pid: number;
  readonly parent: number;
  /** `NAME=value`, each with a NUL behind it; empty where it may not be read. */
  readonly environment: string;
};

/**
 * Kills every process with `NAME=value` in its environment, and all that descend from those, or from `root`: whatever groups and
 * sessions they have made for themselves. `root` must not have been waited for yet: its number could be another's by now. What has cleared its environment is found while its parents live, and not afterwards.
 */
export function killMarked(name: string, value: string, root?: number): void {
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const found = marked(readProcesses(), `${name}=${value}`, root);
    if (!found.map(kill).includes(true)) return;
  }
}

/** Pids of those to end; neither this process nor the first one of the system. Zombies have ended. */
export function marked(processes: readonly Process[], mark: string, root?: number): readonly number[] {
  const children = Map.groupBy(processes, ({ parent }) => parent);
  const has = (environment: string) => `\0${environment}`.includes(`\0${mark}\0`);
  const open = processes.filter(({ pid, environment }) => pid === root || has(environment)).map(({ pid }) => pid);
  if (root !== undefined) open.push(root);
  const found = new Set<number>();
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    if (found.has(pid) || pid <= 1 || pid === process.pid) continue;
    found.add(pid);
    open.push(...(children.get(pid) ?? []).map(child => child.pid));
  }
  const alive = new Set(processes.map(({ pid }) => pid));
  return [...found].filter(pid => alive.has(pid));
}

/** As /proc has them; none where there is no such folder. */
function readProcesses(): readonly Process[] {
  return namesIn('/proc').flatMap(name => {
    if (!/^\d+$/.test(name)) return [];
    // `pid (comm) state ppid …`: a name may have spaces and brackets in it.
    const [state, parent] = (read(`/proc/${name}/stat`).split(') ').at(-1) ?? '').split(' ');
    if (state === undefined || parent === undefined || state === 'Z' || state === 'X') return [];
    return [{ pid: Number(name), parent: Number(parent), environment: read(`/proc/${name}/environ`) }];
  });
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return [];
  }
}

/** Empty where it has ended meanwhile, or is of another user. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return '';
  }
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}
