import { AcceptDatabaseAnswer, ForkReport } from '@thinman/protocol';
import { describeLosses } from '../../core/losses.ts';
import type { AdminClient } from '../thinman/admin-client.ts';
import { CommandError, EXIT } from '../thinman/command-error.ts';
import { confirm } from './confirm.ts';
import { askRunning } from './running-server.ts';

type Options = {
  readonly data: string;
  readonly json?: true;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly nobodyWasPromoted?: true;
  readonly epochAbove?: number;
};

/** All objects of the site are compared, and perhaps written into a file. */
const DEADLINE_MS = 5 * 60_000;

/** `thinman-server accept-database`: what a database lacks counts no more. */
export function acceptDatabaseCommand(options: Options, out: (text: string) => void): Promise<void> {
  return askRunning(options.data, async client => {
    const report = await client.ask(ForkReport, { path: '/fork', deadlineMs: DEADLINE_MS });
    if (!report.forked && report.contested === undefined && options.epochAbove === undefined) {
      throw new CommandError(EXIT.denied, 'the database has all that this server has seen: there is nothing to accept');
    }
    if (options.dryRun) return out(options.json ? json(report) : inWords(report));
    if (!options.json) out(inWords(report));
    if (report.isolated && !options.nobodyWasPromoted) await confirmAlone();
    await confirm('This database counts from now on, for all servers and devices.', options.yes);
    const answer = await accept(client, report, options.epochAbove);
    out(options.json ? json(answer) : acceptedInWords(answer));
  });
}

const json = (value: unknown) => `${JSON.stringify(value)}\n`;

/** Nobody is there who could know of a promotion: two Primaries in one epoch would be the end of it. */
async function confirmAlone(): Promise<void> {
  await confirm('Nobody is seen from here. No other server of this site was promoted.', undefined).catch(error => {
    throw process.stdin.isTTY
      ? error
      : new CommandError(
          EXIT.misuse,
          'was another server promoted meanwhile? If none was, say so with --nobody-was-promoted',
        );
  });
}

function accept(
  client: AdminClient,
  { database, isolated }: ForkReport,
  epochAbove: number | undefined,
): Promise<AcceptDatabaseAnswer> {
  const word = { ...(isolated && { nobodyWasPromoted: true }), ...(epochAbove !== undefined && { epochAbove }) };
  const body = { database, ...word };
  const question = { method: 'POST', path: '/fork/accept', body, deadlineMs: DEADLINE_MS } as const;
  return client.ask(AcceptDatabaseAnswer, question);
}

function inWords({ database, replica, losses, secondariesAhead, contested, isolated }: ForkReport): string {
  return `${[
    `database      ${database.epoch}.${database.generation}`,
    `this server   ${replica.epoch}.${replica.generation}`,
    `would go      ${describeLosses(losses)}`,
    ...(contested === undefined
      ? []
      : [
          `contested     ${contested.name}, ${contested.url}, is a Primary of the same epoch: it would be none any more`,
        ]),
    ...(isolated ? ['isolated      neither a device nor another server is seen: was one of them promoted?'] : []),
    ...secondariesAhead.map(
      ({ name, epoch, generation }) =>
        `secondary     ${name} has commits up to ${epoch}.${generation} that the database lacks`,
    ),
  ].join('\n')}\n`;
}

function acceptedInWords({ epoch, generation, losses, file }: AcceptDatabaseAnswer): string {
  return `${[
    `generation    ${epoch}.${generation}`,
    ...(file === null ? [] : [`went          ${describeLosses(losses)}`, `exported to   ${file}`]),
    ...(file === null ? [] : ['To have it back: look at that file, then thinman apply -f it.']),
    'Servers and devices follow by themselves; a Slave that is not of this line is seeded anew (docs/operations.md).',
  ].join('\n')}\n`;
}
