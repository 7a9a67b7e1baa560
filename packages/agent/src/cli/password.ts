import type { ReadStream } from 'node:tty';
import { MAX_LOCAL_BODY_BYTES, readUtf8 } from '@thinman/protocol/local-api';
import { CommandFailure, EXIT } from './exit.ts';

/** The password from standard input (one line end at its end is not part of it), or typed without echo. */
export async function readPassword(fromStdin: boolean): Promise<string> {
  const password = fromStdin ? await readAll(process.stdin) : await prompt(process.stdin);
  if (password === '') throw new CommandFailure(EXIT.wrongUse, 'the password is empty: type it, or pipe it in');
  return password;
}

/** Typed without echo. */
export async function typePassword(prompted: string): Promise<string> {
  const password = await prompt(process.stdin, prompted);
  if (password === '') throw new CommandFailure(EXIT.wrongUse, 'the password is empty: type it');
  return password;
}

async function readAll(input: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_LOCAL_BODY_BYTES)
      throw new CommandFailure(EXIT.wrongUse, 'standard input is too long for a password');
    chunks.push(bytes);
  }
  const text = readUtf8(Buffer.concat(chunks));
  if (text === undefined) throw notUtf8();
  return text.replace(/\r?\n$/, '');
}

const notUtf8 = () => new CommandFailure(EXIT.wrongUse, 'the password is not UTF-8: give it in that encoding');

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const BACKSPACES = ['\u0008', '\u007f'];
const ENTERS = ['\r', '\n'];
/** What a terminal sends in another encoding is read as this. */
const REPLACEMENT = '\ufffd';

function prompt(terminal: ReadStream, prompted = 'Password: '): Promise<string> {
  if (!terminal.isTTY)
    throw new CommandFailure(EXIT.wrongUse, 'there is no terminal to type a password on: use --password-stdin');
  // Before anybody is asked to type: what comes earlier would show.
  terminal.setRawMode(true);
  process.stderr.write(prompted);
  terminal.setEncoding('utf8');
  terminal.resume();
  return new Promise((resolve, reject) => {
    let typed: readonly string[] = [];
    const finish = (settle: () => void) => {
      terminal.off('data', onData);
      terminal.setRawMode(false);
      terminal.pause();
      process.stderr.write('\n');
      settle();
    };
    const onData = (chunk: string) => {
      for (const char of chunk) {
        if (char === CTRL_C) return finish(() => reject(new CommandFailure(EXIT.failed, 'given up')));
        if (char === REPLACEMENT) return finish(() => reject(notUtf8()));
        if (ENTERS.includes(char) || char === CTRL_D) return finish(() => resolve(typed.join('')));
        typed = BACKSPACES.includes(char) ? typed.slice(0, -1) : [...typed, char];
      }
    };
    terminal.on('data', onData);
  });
}
