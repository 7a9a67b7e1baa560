import { visibleLines } from '@thinman/protocol';
import { type Explanation, explainCommon, quiet } from './explain.ts';
import { outliveReaders } from './standard-streams.ts';
import { EXIT, type ExitCode } from './thinman/command-error.ts';
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
  quiet(program, { writeOut: out, writeErr: err });
  try {
    await program.parseAsync(shieldKeys(argv));
    return EXIT.done;
  } catch (error) {
    const { exitCode, lines } = explain(error);
    for (const line of lines) err(`thinman: ${line}\n`);
    return exitCode;
  }
}

function explain(error: unknown): Explanation {
  const message = error instanceof Error ? error.message : String(error);
  const failed = { exitCode: EXIT.failed, lines: [`failed: ${message.replaceAll('\n', ' ')}`] };
  return explainCommon('thinman', error) ?? failed;
}
