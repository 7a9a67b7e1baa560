import type { PasswordResult, Problem } from '@thinman/protocol';
import { LOCAL_PATHS } from '@thinman/protocol/local-api';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { askAgent, LOGIN_DEADLINE_MS } from './local-client.ts';
import { readPassword, typePassword } from './password.ts';

type Options = { readonly data: string; readonly user: string; readonly passwordStdin?: true; readonly json?: true };

/** 0: changed; 1: refused, and nothing was changed. */
export async function runPasswd({ data, user, passwordStdin, json }: Options): Promise<ExitCode> {
  if (user === '') throw new CommandFailure(EXIT.wrongUse, '--user is empty: name whose password is changed');
  const body = { user, ...(passwordStdin === true ? await readBoth() : await typeBoth()) };
  const call = { method: 'POST', path: LOCAL_PATHS.password, body, deadlineMs: LOGIN_DEADLINE_MS } as const;
  const { status, body: answer } = await askAgent(data, call, true);
  if (status !== 200) {
    const { code = 'unknown', title = 'The agent refused.', detail } = answer as Partial<Problem>;
    throw new CommandFailure(code === 'bad_request' ? EXIT.wrongUse : EXIT.failed, `${detail ?? title} (${code})`);
  }
  const result = answer as PasswordResult;
  if (json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (result.changed) process.stdout.write(`changed: the password of ${user}\n`);
  else process.stderr.write(`${(await import('./words.ts')).describeUnchanged(result)}\n`);
  return result.changed ? EXIT.done : EXIT.denied;
}

async function readBoth() {
  const lines = (await readPassword(true)).split(/\r?\n/);
  const [password = '', newPassword = ''] = lines;
  if (lines.length !== 2 || password === '' || newPassword === '') {
    throw new CommandFailure(EXIT.wrongUse, 'standard input needs two lines: the old password, and the new one');
  }
  return { password, newPassword };
}

async function typeBoth() {
  const password = await typePassword('Old password: ');
  const newPassword = await typePassword('New password: ');
  if ((await typePassword('New password, again: ')) !== newPassword) {
    throw new CommandFailure(EXIT.wrongUse, 'the new passwords differ: nothing was changed');
  }
  return { password, newPassword };
}
