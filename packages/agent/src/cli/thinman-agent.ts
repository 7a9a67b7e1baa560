import { reuseCompiled } from './compiled.ts';
import { oneCommand } from './one-command.ts';

/** Runs one command and sets the process's exit code. `start --data DIR` alone comes to `thinman-agent-start.ts`. */
export function main(argv: readonly string[]): Promise<void> {
  return oneCommand(async () => {
    const dataDir = argv[argv.indexOf('--data') + 1];
    if (argv[2] === 'start' && argv.includes('--data') && dataDir !== undefined) reuseCompiled(dataDir);
    return (await import('./program.ts')).runProgram(argv);
  });
}
