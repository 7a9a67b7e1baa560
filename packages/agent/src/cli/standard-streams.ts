import { EXIT } from './exit.ts';

/**
 * Whoever reads the output may stop reading (`… | head`, a supervisor that went): no failure. Output that cannot be written
 * otherwise (a full disk) is one of a command, and ends nothing that runs in the foreground.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') process.exitCode = EXIT.failed;
    });
  }
}
