import { createInterface } from 'node:readline/promises';
import { CommandError, EXIT } from '../thinman/command-error.ts';

/** Goes on after "yes", typed on the terminal, or where `--yes` was given. */
export async function confirm(question: string, yes: true | undefined): Promise<void> {
  if (yes) return;
  if (process.stdin.isTTY !== true) {
    throw new CommandError(EXIT.misuse, 'there is no terminal to ask on: look at what it says, then add --yes');
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} Type yes to go on: `);
    if (answer.trim() !== 'yes') throw new CommandError(EXIT.denied, 'nothing was done');
  } finally {
    terminal.close();
  }
}
