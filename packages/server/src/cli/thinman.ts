import { type Command, CommanderError } from 'commander';
import { ConfigError } from '../config.ts';
import {
  CommandError,
  EXIT,
  type ExitCode,
  exitCodeOf,
  RefusedByServer,
  refusalLines,
} from './thinman/command-error.ts';
import { thinmanProgram } from './thinman/program.ts';

/** The command `thinman`. Sets the process's exit code; what went wrong goes to standard error, a line each. */
export async function main(argv: string[]): Promise<void> {
  const program = thinmanProgram(text => void process.stdout.write(text));
  quiet(program);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    const { exitCode, lines } = explain(error);
    process.exitCode = exitCode;
    for (const line of lines) process.stderr.write(`thinman: ${line}\n`);
  }
}

/** commander neither ends the process nor writes errors of its own (several lines, exit code 1). */
function quiet(command: Command): void {
  command
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ outputError: () => {} });
  for (const inner of command.commands) quiet(inner);
}

function explain(error: unknown): { readonly exitCode: ExitCode; readonly lines: readonly string[] } {
  if (error instanceof CommandError) return error;
  if (error instanceof RefusedByServer) {
    return { exitCode: exitCodeOf(error.problem), lines: refusalLines(error.problem) };
  }
  if (error instanceof ConfigError) return { exitCode: EXIT.misuse, lines: [error.message] };
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { exitCode: EXIT.done, lines: [] };
    // Help that nobody asked for is there already: a command was missing.
    if (error.code === 'commander.help') return { exitCode: EXIT.misuse, lines: [] };
    return { exitCode: EXIT.misuse, lines: [`${error.message.replace(/^error: /, '')} (see thinman --help)`] };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { exitCode: EXIT.failed, lines: [`failed: ${message.replaceAll('\n', ' ')}`] };
}
