import { PromotionAnswer, PromotionReport } from '@thinman/protocol';
import { parseDatabaseUrl } from '../../config.ts';
import { describeLosses } from '../../core/losses.ts';
import { describeMissing } from '../../core/missing.ts';
import { CommandError, EXIT } from '../thinman/command-error.ts';
import { readRecoveryCode } from '../thinman/password.ts';
import { confirm } from './confirm.ts';
import { warnOfShownPassword } from './init-command.ts';
import { askRunning } from './running-server.ts';

type Options = {
  readonly data: string;
  readonly json?: true;
  readonly yes?: true;
  readonly database?: string;
  readonly recoveryCodeStdin?: true;
  readonly oldPrimaryIsOff?: true;
};

/** All objects of the site are compared, and perhaps written into a file. */
const DEADLINE_MS = 5 * 60_000;

/** `thinman-server promote`: a Secondary becomes the Primary. */
export function promoteCommand(options: Options, out: (text: string) => void): Promise<void> {
  warnOfShownPassword(options.database);
  const database = options.database === undefined ? {} : { database: parseDatabaseUrl(options.database).url };
  return askRunning(options.data, async client => {
    const look = { method: 'POST', path: '/promotion/look', body: database, deadlineMs: DEADLINE_MS } as const;
    const report = await client.ask(PromotionReport, look);
    const { primary, obstacle } = report;
    if (primary.linked) {
      throw new CommandError(
        EXIT.denied,
        `the Primary ${primary.name} is there: promotion is for when its host is gone; to change places, stop it first (thinman-server drain)`,
      );
    }
    if (!options.json || obstacle !== null) (options.json ? toStderr : out)(inWords(report));
    if (obstacle !== null) {
      throw new CommandError(EXIT.misuse, 'nothing was changed: run the SQL above on that database, then this again');
    }
    if (!options.oldPrimaryIsOff) {
      await confirm(`The host of ${primary.name} is off, and will not come back as it was.`, undefined).catch(error => {
        throw process.stdin.isTTY
          ? error
          : new CommandError(EXIT.misuse, `is the host of ${primary.name} off? Say so with --old-primary-is-off`);
      });
    }
    await confirm(`${report.server} becomes the Primary.`, options.yes);
    const recoveryCode = await readRecoveryCode(options.recoveryCodeStdin === true);
    const body = { ...database, recoveryCode, oldPrimaryIsOff: true };
    const question = { method: 'POST', path: '/promotion', body, deadlineMs: DEADLINE_MS } as const;
    const answer = await client.ask(PromotionAnswer, question);
    out(options.json ? `${JSON.stringify(answer)}\n` : promotedInWords(report, answer));
  });
}

const toStderr = (text: string) => void process.stderr.write(text);

function inWords({ server, primary, missing, obstacle, losses }: PromotionReport): string {
  const lacks = missing.count === 0 ? 'nothing that it has heard of' : describeMissing(missing);
  return `${[
    `server        ${server}`,
    `old Primary   ${primary.name}, ${primary.url}: not seen`,
    `missing here  ${lacks}`,
    ...(losses.count === 0 ? [] : [`would go      ${describeLosses(losses)}`]),
    ...(obstacle === null
      ? []
      : [`database      ${obstacle.what}. Run there:`, ...obstacle.sql.map(sql => `  ${sql}`)]),
  ].join('\n')}\n`;
}

function promotedInWords({ server, primary }: PromotionReport, answer: PromotionAnswer): string {
  const { epoch, generation, file, losses } = answer;
  return `${[
    `${server} is the Primary, from ${epoch}.${generation} on.`,
    ...(file === null ? [] : [`went          ${describeLosses(losses)}`, `exported to   ${file}`]),
    `When ${primary.name} comes back it stops administering by itself, exports what nobody else has, and hands on its events.`,
    `Then delete it (thinman delete Server ${primary.name}) and make it a Secondary anew (thinman-server join, in a new data folder).`,
  ].join('\n')}\n`;
}
