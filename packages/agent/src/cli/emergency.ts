import { createInterface } from 'node:readline/promises';
import type { LocalEmergencyAnswer, Problem } from '@thinman/protocol';
import { LOCAL_PATHS } from '@thinman/protocol/local-api';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { askAgent } from './local-client.ts';
import { readPassword } from './password.ts';

type Options = { readonly data: string; readonly user: string; readonly codeStdin?: true; readonly json?: true };

/** Without a terminal it shows the challenge and ends; the code comes with another call, `--code-stdin`. */
export async function runEmergency({ data, user, codeStdin, json }: Options): Promise<ExitCode> {
  if (user === '') throw new CommandFailure(EXIT.wrongUse, '--user is empty: name who is to log in');
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const show = (answer: LocalEmergencyAnswer) => print(json === true ? JSON.stringify(answer) : inWords(answer));
  if (codeStdin === true) {
    show(await call(data, { user, code: (await readPassword(true)).trim() }));
    return EXIT.done;
  }
  show(await call(data, { user }));
  if (json === true || !process.stdin.isTTY) return EXIT.done;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    show(await call(data, { user, code: await lines.question('Code: ') }));
  } finally {
    lines.close();
  }
  return EXIT.done;
}

/** Throws CommandFailure 1 for a code that is refused. */
async function call(data: string, body: { user: string; code?: string }): Promise<LocalEmergencyAnswer> {
  const { status, body: answer } = await askAgent(data, { method: 'POST', path: LOCAL_PATHS.emergency, body }, true);
  if (status === 200) return answer as LocalEmergencyAnswer;
  const { code = 'unknown', title = 'The agent refused.', detail, status: kind } = answer as Partial<Problem>;
  const { withDetail } = await import('./words.ts');
  throw new CommandFailure(kind === 403 ? EXIT.denied : EXIT.failed, `${withDetail(title, detail)} (${code})`);
}

const MS_PER_MINUTE = 60_000;

function inWords(answer: LocalEmergencyAnswer): string {
  if (answer.state === 'accepted') {
    return `accepted: ${answer.user} may log in offline here for ${answer.hours} h, with the password`;
  }
  const { device, user, challenge, expiresInMs, triesLeft } = answer;
  const half = challenge.length / 2;
  return [
    'Tell the helpdesk:',
    `  device     ${device}`,
    `  user       ${user}`,
    `  challenge  ${challenge.slice(0, half)} ${challenge.slice(half)}`,
    `It is good for ${Math.ceil(expiresInMs / MS_PER_MINUTE)} min and ${triesLeft} tries. The code is typed here.`,
  ].join('\n');
}
