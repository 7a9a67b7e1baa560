// What the kernel says of a process.
import { readdirSync, readFileSync } from 'node:fs';

const BYTES_PER_KIB = 1024;
const NS_PER_MS = 1e6;

/** `resident`: all that is in memory. `proportional`: what is shared with n processes counts 1/n. Bytes. */
export type Memory = { readonly resident: number; readonly proportional: number };

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * BYTES_PER_KIB;
  return { resident: read('Rss'), proportional: read('Pss') };
}

/** ms that its threads have run, those that have ended left out. To the nanosecond, where `stat` counts ticks of 10 ms. */
export function cpuMsOf(pid: number): number {
  const ranNs = readdirSync(`/proc/${pid}/task`).map(task => ranNsOf(`/proc/${pid}/task/${task}/schedstat`));
  return ranNs.reduce((sum, ns) => sum + ns, 0) / NS_PER_MS;
}

/** A thread may end between the two looks. */
function ranNsOf(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8').split(' ')[0]);
  } catch {
    return 0;
  }
}
