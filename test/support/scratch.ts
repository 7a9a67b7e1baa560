import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcesses, type Processes } from './processes.ts';

/** A folder and the processes that work in it. Nothing is left of either. */
export type Scratch = AsyncDisposable & { readonly folder: string; readonly processes: Processes };

/** Exit codes of a process that a signal ends, as shells count. */
const ENDING_SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Makes a folder `PREFIX…` among the temporary ones. Cleans up when disposed of, and when this process is ended before. */
export function createScratch(prefix: string): Scratch {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  const processes = createProcesses(join(folder, 'logs'), join(folder, 'home'));
  const enders = Object.entries(ENDING_SIGNALS).map(([signal, code]) => [signal, () => process.exit(code)] as const);
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  const atExit = () => {
    processes.killAll();
    remove();
  };
  for (const [signal, end] of enders) process.once(signal, end);
  process.once('exit', atExit);
  return {
    folder,
    processes,
    [Symbol.asyncDispose]: async () => {
      await processes.endAll();
      remove();
      process.off('exit', atExit);
      for (const [signal, end] of enders) process.off(signal, end);
    },
  };
}
