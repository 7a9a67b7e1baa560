import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { outliveReaders } from './standard-streams.ts';

/** Runs one command and sets the process's exit code. */
export async function oneCommand(run: () => Promise<ExitCode>): Promise<void> {
  outliveReaders();
  try {
    process.exitCode = await run();
  } catch (error) {
    const isFailure = error instanceof CommandFailure;
    const message = error instanceof Error ? error.message : String(error);
    if (message !== '') process.stderr.write(`thinman-agent: ${message}\n`);
    process.exitCode = isFailure ? error.exitCode : EXIT.failed;
  }
}
