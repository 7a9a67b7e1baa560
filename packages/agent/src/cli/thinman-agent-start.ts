import { reuseCompiled } from './compiled.ts';
import { oneCommand } from './one-command.ts';

/**
 * `thinman-agent start --data DIR`, the command that stays, as everybody writes it. It has a bundle of its own: what is shared with
 * commands that never run beside it would be a dozen files more to find, and what reads all the others (and says what is wrong with
 * them) would stay in the memory of every device for as long as it runs (ADR 0113).
 */
export function main(argv: readonly string[]): Promise<void> {
  const dataDir = argv[4] ?? '';
  return oneCommand(async () => {
    // Before anything large is read.
    reuseCompiled(dataDir);
    return (await import('./start.ts')).runStart(dataDir);
  });
}
