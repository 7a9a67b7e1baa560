import { ServerReport, visible } from '@thinman/protocol';
import { type Diagnosis, diagnose } from '../../care/doctor/doctor.ts';
import { STATUS_DEADLINE_MS } from '../thinman/admin-client.ts';
import { EXIT } from '../thinman/command-error.ts';
import { readRecoveryCode } from '../thinman/password.ts';
import type { CaResult } from './ca-command.ts';
import { askRunning } from './running-server.ts';

type Options = { readonly data: string; readonly json?: true; readonly recoveryCodeStdin?: true };

/** `thinman-server doctor`: exit code 1 where a check failed. */
export async function doctorCommand({ data, json, recoveryCodeStdin }: Options): Promise<CaResult> {
  const found = await diagnose({
    dataDir: data,
    ...(recoveryCodeStdin && { recoveryCode: await readRecoveryCode(true) }),
    askStatus: () =>
      askRunning(data, client => client.ask(ServerReport, { path: '/status', deadlineMs: STATUS_DEADLINE_MS })),
  });
  const text = json ? `${JSON.stringify(found)}\n` : inWords(found);
  return { text, ...(found.level === 'fail' && { exitCode: EXIT.denied }) };
}

function inWords({ checks }: Diagnosis): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  const indent = ' '.repeat('fail  '.length + width + 2);
  const lines = checks.flatMap(({ check, level, found, do: advice, sql = [] }) => [
    `${level.padEnd('fail'.length)}  ${check.padEnd(width)}  ${visible(found)}`,
    ...(advice === undefined ? [] : [`${indent}→ ${visible(advice)}${sql.length > 0 ? ':' : ''}`]),
    ...sql.map(statement => `${indent}  ${statement}`),
  ]);
  const count = (level: string) => checks.filter(check => check.level === level).length;
  const summary = `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`;
  return `${[...lines, summary].join('\n')}\n`;
}
