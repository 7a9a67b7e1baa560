import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { CommandError, EXIT } from './command-error.ts';

/** From standard input (one line end at its end is not part of it), or asked for on the terminal without an echo. */
export async function readPassword(fromStdin: boolean, question: string): Promise<string> {
  const password = fromStdin ? (await text(process.stdin)).replace(/\r?\n$/, '') : await ask(question);
  if (password === '') throw new CommandError(EXIT.misuse, 'the password is empty');
  return password;
}

function ask(question: string): Promise<string> {
  if (process.stdin.isTTY !== true) {
    throw new CommandError(EXIT.misuse, 'there is no terminal to ask for the password: use --password-stdin');
  }
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  return new Promise(resolve => {
    lines.once('line', line => {
      process.stderr.write('\n');
      lines.close();
      resolve(line);
    });
    lines.once('SIGINT', () => {
      lines.close();
      process.exit(EXIT.misuse);
    });
  });
}
