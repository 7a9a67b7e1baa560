import { reuseCompiled } from './compiled.ts';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { outliveReaders } from './standard-streams.ts';

/** Runs one command and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  outliveReaders();
  try {
    process.exitCode = await run(argv);
  } catch (error) {
    const isFailure = error instanceof CommandFailure;
    const message = error instanceof Error ? error.message : String(error);
    if (message !== '') process.stderr.write(`thinman-agent: ${message}\n`);
    process.exitCode = isFailure ? error.exitCode : EXIT.failed;
  }
}

/**
 * The command that stays is read here when it is as everybody writes it: what reads all others (and says what is wrong with
 * them) would stay in the memory of every device for as long as it runs.
 */
async function run(argv: readonly string[]): Promise<ExitCode> {
  const [verb, option, dataDir, ...more] = argv.slice(2);
  const named = argv[argv.indexOf('--data') + 1];
  if (verb === 'start' && argv.includes('--data') && named !== undefined) reuseCompiled(named);
  if (verb === 'start' && option === '--data' && dataDir !== undefined && !dataDir.startsWith('-') && more.length === 0)
    return (await import('./start.ts')).runStart(dataDir);
  return (await import('./program.ts')).runProgram(argv);
}
