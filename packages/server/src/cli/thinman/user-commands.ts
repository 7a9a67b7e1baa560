import { SessionsAnswer, UserActAnswer, UserShown, visible } from '@thinman/protocol';
import type { Command } from 'commander';
import type { AdminClient } from './admin-client.ts';
import type { Asking } from './asking.ts';
import { type Format, parseFormat, toJson, toYaml } from './format.ts';
import { describeLockout } from './lockout-words.ts';
import { moment, table } from './table.ts';

/** Puts `thinman user …` and `thinman session …` on the command line. */
export function addUserCommands(program: Command, asking: Asking): void {
  const user = program.command('user').description('the helpdesk: a user, local or of a directory');
  user
    .command('unlock')
    .description('failed logins so far count no more, on every server and device; a lock by an administrator is lifted')
    .argument('<name>', 'as the login name is typed')
    .action(asking((client, _options, [name = '']) => act(client, 'unlock', name, 'unlocked')));
  user
    .command('show')
    .description('shows one user: whether failed logins keep them out, where and until when, and where they work')
    .argument('<name>', 'as the login name is typed')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .action(asking((client, { output }, [name = '']) => show(client, name, parseFormat(output))));
  const session = program.command('session').description('who works where');
  session
    .command('list')
    .description('shows who works where, on the devices of all servers that this one sees')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .action(asking((client, { output }) => list(client, parseFormat(output))));
  session
    .command('end')
    .description('ends the sessions that a user has now, everywhere; logging in again is allowed')
    .argument('<user>', 'as `session list` shows it, or as the login name is typed')
    .action(asking((client, _options, [name = '']) => act(client, 'end-sessions', name, 'ended the sessions of')));
}

async function act(client: AdminClient, what: string, name: string, words: string): Promise<string> {
  const question = { method: 'POST', path: `/users/${what}`, body: { user: name } } as const;
  const answer = await client.ask(UserActAnswer, question);
  const rest =
    answer.ofDirectory === true && what === 'unlock'
      ? "a lock of the directory's own is lifted in the directory\n"
      : '';
  return `${words}  User/${answer.name}\ngeneration ${answer.epoch}.${answer.generation}\n${rest}`;
}

async function show(client: AdminClient, name: string, format: Format): Promise<string> {
  const shown = await client.ask(UserShown, { path: `/users/show?user=${encodeURIComponent(name)}` });
  if (format === 'json') return toJson(shown);
  if (format === 'yaml') return toYaml([shown]);
  const { displayName, source, disabled, locked, lockouts, sessions } = shown;
  const states = [...(disabled ? ['disabled'] : []), ...(locked ? ['locked by an administrator'] : [])];
  return `${[
    `user      ${visible(shown.name)}${displayName === null ? '' : ` (${visible(displayName)})`}`,
    `source    ${source === 'local' ? 'the site' : 'a directory'}`,
    `state     ${states.length === 0 ? 'ok' : states.join(', ')}`,
    ...lockouts.map(lockout => `lockout   ${visible(describeLockout(lockout))}`),
    ...(lockouts.length === 0
      ? ['lockout   none']
      : [`          thinman user unlock '${visible(shown.name)}' lifts what is of the account`]),
    ...sessions.map(({ device, mode, since }) => `works     on ${visible(device)} since ${moment(since)}, ${mode}`),
  ].join('\n')}\n`;
}

async function list(client: AdminClient, format: Format): Promise<string> {
  const { server, items, unseen = [] } = await client.ask(SessionsAnswer, { path: '/sessions' });
  if (format === 'json') return toJson(items);
  if (format === 'yaml') return toYaml(items);
  const gaps = unseen
    .map(name => `${name} is not seen from ${server}: of its sessions this is what was heard last\n`)
    .join('');
  if (items.length === 0) return `nobody works on a device that ${server} knows of\n${gaps}`;
  const rows = items.map(({ user, userId, device, mode, since, server: at = server }) => {
    return [user ?? userId, device, mode, moment(since), unseen.includes(at) ? `${at}?` : at];
  });
  return `${table(['USER', 'DEVICE', 'MODE', 'SINCE', 'SERVER'], rows)}${gaps}`;
}
