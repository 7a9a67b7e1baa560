import { visibleLines } from '@thinman/protocol';
import { type Command, CommanderError } from 'commander';
import { ConfigError } from '../config.ts';
import { outliveReaders } from './standard-streams.ts';
import {
  CommandError,
  EXIT,
  type ExitCode,
  exitCodeOf,
  misuse,
  RefusedByServer,
  refusalLines,
} from './thinman/command-error.ts';
import { shieldKeys } from './thinman/device-commands.ts';
import { thinmanProgram } from './thinman/program.ts';

/** The command `thinman`. Sets the process's exit code. */
export async function main(argv: string[]): Promise<void> {
  outliveReaders();
  process.exitCode = await runThinman(argv, {
    out: text => void process.stdout.write(text),
    err: text => void process.stderr.write(text),
  });
}

export type Streams = { readonly out: (text: string) => void; readonly err: (text: string) => void };

/** Runs one command line; gives its exit code. What went wrong goes to `err`, a line each. Nothing that is printed drives a terminal. */
export async function runThinman(argv: readonly string[], streams: Streams): Promise<ExitCode> {
  const out = (text: string) => streams.out(visibleLines(text));
  const err = (text: string) => streams.err(visibleLines(text));
  const program = thinmanProgram(out);
  quiet(program, { out, err });
  try {
    await program.parseAsync(shieldKeys(argv));
    return EXIT.done;
  } catch (error) {
    const { exitCode, lines } = explain(error);
    for (const line of lines) err(`thinman: ${line}\n`);
    return exitCode;
  }
}

/** commander neither ends the process nor writes errors of its own (several lines, exit code 1). */
function quiet(command: Command, { out, err }: Streams): void {
  command.exitOverride().configureOutput({ writeOut: out, writeErr: err, outputError: () => {} });
  for (const inner of command.commands) quiet(inner, { out, err });
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
    return { exitCode: EXIT.misuse, lines: [misuse('thinman', error)] };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { exitCode: EXIT.failed, lines: [`failed: ${message.replaceAll('\n', ' ')}`] };
}
