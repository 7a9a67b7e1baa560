import { readFileSync } from 'node:fs';

/** When a process started, in the kernel's ticks since boot: with its id, it tells processes apart for ever. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The fields follow the last ")", the third of all first: a name may have any character in it. The start is the 22nd.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3];
  } catch {
    return undefined;
  }
}
