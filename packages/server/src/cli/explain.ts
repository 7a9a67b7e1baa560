import { type Command, CommanderError, type OutputConfiguration } from 'commander';
import { ConfigError } from '../config.ts';
import {
  CommandError,
  EXIT,
  type ExitCode,
  exitCodeOf,
  misuse,
  RefusedByServer,
  refusalLines,
} from './thinman/command-error.ts';

/** What went wrong, a line each; none where all has been said. */
export type Explanation = { readonly exitCode: ExitCode; readonly lines: readonly string[] };

/** commander neither ends the process nor writes errors of its own (several lines, exit code 1). */
export function quiet(command: Command, output: OutputConfiguration = {}): void {
  command.exitOverride().configureOutput({ ...output, outputError: () => {} });
  for (const inner of command.commands) quiet(inner, output);
}

/** What goes wrong in every command; undefined: something else did. */
export function explainCommon(program: 'thinman' | 'thinman-server', error: unknown): Explanation | undefined {
  if (error instanceof CommandError) return error;
  if (error instanceof RefusedByServer) {
    return { exitCode: exitCodeOf(error.problem), lines: refusalLines(error.problem) };
  }
  if (error instanceof ConfigError) return { exitCode: EXIT.misuse, lines: [error.message] };
  if (!(error instanceof CommanderError)) return undefined;
  if (error.exitCode === 0) return { exitCode: EXIT.done, lines: [] };
  // Help that nobody asked for is there already: a command was missing.
  const isSaid = error.code === 'commander.help';
  return { exitCode: EXIT.misuse, lines: isSaid ? [] : [misuse(program, error)] };
}
