import { EXIT, type ExitCode } from './exit.ts';

export async function runStart(_dataDir: string): Promise<ExitCode> {
  return EXIT.failed;
}
