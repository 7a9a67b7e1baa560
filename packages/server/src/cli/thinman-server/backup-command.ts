import { resolve } from 'node:path';
import { backUp } from '../../care/backup.ts';
import { restoreSite } from '../../care/restore.ts';
import { readRecoveryCode } from '../thinman/password.ts';
import { warn, warnOfShownPassword } from './init-command.ts';

/** `thinman-server backup`. */
export async function backupCommand(
  file: string,
  { data: dataDir, force }: { readonly data: string; readonly force?: true },
): Promise<string> {
  const started = performance.now();
  const { site, rows, bytes } = await backUp({ dataDir, file, force: force === true });
  return `${[
    `site     ${site.siteId} at ${site.version.epoch}.${site.version.generation}`,
    `holds    ${rowsInWords(rows)}, and the keys`,
    `written  ${resolve(file)} (${bytes} bytes, ${seconds(started)})`,
    'The recovery code opens it, and nothing else. Keep both, apart from each other.',
  ].join('\n')}\n`;
}

type RestoreCommandOptions = {
  readonly data: string;
  readonly listen: string;
  readonly url: string;
  readonly database?: string;
  readonly acceptWeakDurability?: true;
  readonly epochAbove?: number;
  readonly recoveryCodeStdin?: true;
};

/** `thinman-server restore`. */
export async function restoreCommand(file: string, options: RestoreCommandOptions): Promise<string> {
  const { data: dataDir, recoveryCodeStdin = false, ...rest } = options;
  warnOfShownPassword(options.database);
  const recoveryCode = await readRecoveryCode(recoveryCodeStdin);
  const started = performance.now();
  const made = await restoreSite({ file, recoveryCode, dataDir, ...rest, warn });
  const { others } = made;
  return `${[
    `site      ${made.siteId} as of ${new Date(made.takenAt).toISOString()}, now at ${made.epoch}.${made.generation}`,
    `holds     ${rowsInWords(made.rows)}`,
    `restored  in ${seconds(started)}; this host is ${made.server}, the Primary`,
    ...(others.length === 0
      ? []
      : [`others    ${others.join(', ')}: see docs/operations.md, "Restore onto an empty host"`]),
    `The host that was ${made.server} must never start again with its old data folder.`,
    `Now run: thinman-server start --data ${dataDir}`,
  ].join('\n')}\n`;
}

function rowsInWords({ objects = 0, history = 0, events = 0 }: Readonly<Record<string, number>>): string {
  return `${objects} objects, ${history} of their states, ${events} events`;
}

const MS_PER_SECOND = 1000;
const seconds = (started: number) => `${((performance.now() - started) / MS_PER_SECOND).toFixed(1)} s`;
