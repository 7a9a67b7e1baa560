import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { readUtf8 } from '@thinman/protocol';
import { CommandError, EXIT } from './command-error.ts';

/** What it is called, and the option by which it comes from standard input. */
type Secret = { readonly what: string; readonly option: string };
const PASSWORD: Secret = { what: 'password', option: '--password-stdin' };
const RECOVERY_CODE: Secret = { what: 'recovery code', option: '--recovery-code-stdin' };

const REPLACEMENT = '\ufffd';

/** From standard input (one line end at its end is not part of it), or asked for on the terminal without an echo. */
export function readPassword(fromStdin: boolean, question: string): Promise<string> {
  return readSecret(PASSWORD, fromStdin, question);
}

/** In the same way: as it was typed, still to be checked. */
export function readRecoveryCode(fromStdin: boolean): Promise<string> {
  return readSecret(RECOVERY_CODE, fromStdin, 'recovery code: ');
}

async function readSecret(secret: Secret, fromStdin: boolean, question: string): Promise<string> {
  const typed = fromStdin ? readUtf8(await buffer(process.stdin)) : await ask(secret, question);
  // What a terminal sends in another encoding has been replaced already.
  if (typed === undefined || (!fromStdin && typed.includes(REPLACEMENT))) {
    throw new CommandError(EXIT.misuse, `the ${secret.what} is not UTF-8: give it in that encoding`);
  }
  const given = fromStdin ? typed.replace(/\r?\n$/, '') : typed;
  if (given === '') throw new CommandError(EXIT.misuse, `the ${secret.what} is empty`);
  return given;
}

function ask({ what, option }: Secret, question: string): Promise<string> {
  if (process.stdin.isTTY !== true) {
    throw new CommandError(EXIT.misuse, `there is no terminal to ask for the ${what}: use ${option}`);
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
