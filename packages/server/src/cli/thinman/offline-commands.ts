import { OfflineUsersAnswer } from '@thinman/protocol';
import type { Command } from 'commander';
import type { AdminClient } from './admin-client.ts';
import type { Asking } from './asking.ts';
import { CommandError, EXIT } from './command-error.ts';
import { type Format, parseFormat, toJson, toYaml } from './format.ts';
import { moment, table } from './table.ts';

/** Puts `thinman offline …` on the command line. */
export function addOfflineCommands(program: Command, asking: Asking): void {
  program
    .command('offline')
    .description('logins without a server: who could log in where')
    .command('list')
    .description('shows who could log in on a device, or where a user could, as devices last told this server')
    .option('--device <name>', 'on this device')
    .option('--user <name>', 'this user, as the login name is typed')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .action(asking((client, { device, user, output }) => list(client, { device, user }, parseFormat(output))));
}

async function list(
  client: AdminClient,
  { device, user }: { readonly device?: string | undefined; readonly user?: string | undefined },
  format: Format,
): Promise<string> {
  if ((device === undefined) === (user === undefined)) {
    throw new CommandError(EXIT.misuse, 'name a device (--device NAME) or a user (--user NAME), and not both');
  }
  const query =
    device === undefined ? `user=${encodeURIComponent(user ?? '')}` : `device=${encodeURIComponent(device)}`;
  const answer = await client.ask(OfflineUsersAnswer, { path: `/offline-users?${query}` });
  if (format === 'json') return toJson(answer.items);
  if (format === 'yaml') return toYaml(answer.items);
  const { items, server, more } = answer;
  const lines = aboutDevice(answer, device);
  if (items.length === 0) return `${lines}nobody could, as far as ${server} was told since it started\n`;
  const rows = items.map(item => [
    ...[item.user, item.device, moment(item.until), moment(item.toldAt), item.connected ? 'yes' : 'no'],
  ]);
  const head = ['USER', 'DEVICE', 'UNTIL', 'TOLD', 'CONNECTED'];
  return `${lines}${table(head, rows)}${more ? 'there are more devices than fit\n' : ''}`;
}

function aboutDevice({ device: facts, server }: OfflineUsersAnswer, name: string | undefined): string {
  if (facts === undefined || name === undefined) return '';
  const silent = facts.toldAt === null ? `${name} has not been connected to ${server} since that started\n` : '';
  const { wipe } = facts;
  if (wipe === null) return silent;
  const state = wipe.done ? 'done' : 'not done yet, as far as this server was told';
  return `${silent}wipe asked for ${moment(wipe.requestedAt)} by ${wipe.by}: ${state}\n`;
}
