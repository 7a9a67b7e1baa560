// A bench that was killed by SIGKILL leaves its folder, and the servers and agents that work in it: they would take the time and the
// memory of what the next one measures.
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startOf } from '../../support/process-start.ts';
import { waitFor } from '../../support/wait.ts';

const MARK = 'made-by';
export const FOLDER_PREFIX = 'bench-';

/** Says in `folder` who made it: this process. Nothing where the kernel does not tell (only Linux does). */
export function markFolder(folder: string): void {
  const start = startOf(process.pid);
  if (start !== undefined) writeFileSync(join(folder, MARK), [process.pid, start, processNames()].join(' '));
}

/** Ends what works in the marked folders among `among` whose makers are no more, removes them, and says so. */
export async function removeLeftovers(among: string, say: (line: string) => void): Promise<void> {
  for (const name of readdirSync(among).filter(each => each.startsWith(FOLDER_PREFIX))) {
    const folder = join(among, name);
    if (!isOurs(folder) || !isLeft(folder)) continue;
    const ended = new Set<number>();
    await waitFor(`what works in ${folder} to end`, () => {
      const pids = workingIn(folder);
      for (const pid of pids) {
        ended.add(pid);
        kill(pid);
      }
      return pids.length === 0 || undefined;
    });
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    say(`${folder} was left by a bench that was killed: removed, with ${ended.size} processes that worked in it`);
  }
}

/** Anybody may put something among the temporary folders. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.();
}

function isLeft(folder: string): boolean {
  const [pid, start, names] = read(join(folder, MARK)).split(' ');
  // Process ids of another container say nothing here.
  return pid !== undefined && start !== undefined && names === processNames() && startOf(Number(pid)) !== start;
}

/** Processes that were given this folder, or something in it, as an argument. */
function workingIn(folder: string): readonly number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid =>
      read(`/proc/${pid}/cmdline`)
        .split('\0')
        .some(argument => argument === folder || argument.startsWith(`${folder}/`)),
    )
    .map(Number)
    .filter(pid => pid !== process.pid);
}

function processNames(): string {
  return readlinkSync('/proc/self/ns/pid');
}

/** '' of what is not there, or is no file. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
