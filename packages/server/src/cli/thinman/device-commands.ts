import { DeviceChangedAnswer, UnknownDevicesAnswer } from '@thinman/protocol';
import type { Command } from 'commander';
import type { AdminClient } from './admin-client.ts';
import { parseKeyHash, parseTtl } from './arguments.ts';
import type { Asking } from './asking.ts';
import { type Format, parseFormat, toJson, toYaml } from './format.ts';
import { oneObject } from './read-commands.ts';
import { moment, table } from './table.ts';
import { applyFiles, makeToken } from './write-commands.ts';

/** Puts `thinman device …` on the command line. */
export function addDeviceCommands(program: Command, asking: Asking): void {
  const device = program.command('device').description('administers thin clients: who is one, and which');
  device
    .command('revoke')
    .description('refuses the device for good, and has it erase what it holds of users')
    .argument('<name>')
    .action(asking((client, _options, [name = '']) => revoke(client, name)));
  device
    .command('wipe')
    .description(
      'has the device forget all users at its next contact, by whichever server: cached logins, their policies and files. It works on; users log in with a server once, and an open session goes on',
    )
    .argument('<name>')
    .action(asking((client, _options, [name = '']) => wipe(client, name)));
  device
    .command('reenroll')
    .description(
      'prints a token that gives this device a new key; name, group and all else stay. The key before is unknown from then on, not revoked: an old disk is locked out, and erases nothing',
    )
    .argument('<name>')
    .option('--ttl <time>', 'how long it is good for: 90m, 24h, 7d', '24h')
    .action(
      asking((client, { ttl = '24h' }, [name = '']) =>
        makeToken(client, { for: 'reenroll', device: name, ttlMs: parseTtl(ttl) }),
      ),
    );
  device
    .command('replace')
    .description(
      'another machine takes the place of this device: it gets its name, group and all that is assigned to it, and works on without a visit. The key before is revoked at once',
    )
    .argument('<name>', 'the device whose machine is replaced')
    .requiredOption('--with <name>', 'the machine that takes its place, as it is enrolled now; that name goes')
    .action(asking((client, options, [name = '']) => replace(client, name, options.with)));
  device
    .command('list-unknown')
    .description('shows machines with a certificate of the site that no server knows (after a restored database)')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .action(asking((client, { output }) => listUnknown(client, parseFormat(output))));
  device
    .command('approve')
    .description('makes a device of a machine of that list: it works on without a new enrolment')
    .argument('<key>', 'its key, as the list shows it')
    .requiredOption('--name <name>', 'the name that it gets')
    .option('--group <name>', 'the device group that it is put in')
    .action(asking((client, { name, group }, [key = '']) => approve(client, parseKeyHash(key), name, group)));
}

/** A key's hash may begin with a dash, and is no option: it goes to the end, behind `--`. */
export function shieldKeys(argv: readonly string[]): readonly string[] {
  const at = argv.findIndex((word, n) => /^-[A-Za-z0-9_-]{42}$/.test(word) && argv.slice(0, n).includes('approve'));
  return at < 0 || argv.includes('--') ? argv : [...argv.slice(0, at), ...argv.slice(at + 1), '--', argv[at] ?? ''];
}

/** `thinman device revoke NAME`. What else is written about the device stays as it is. */
async function revoke(client: AdminClient, name: string): Promise<string> {
  const { body, generation } = await oneObject(client, 'Device', name);
  const value = { kind: 'Device', name, generation, body: { ...body, revoked: true } };
  return applyFiles(client, [{ value, where: () => '' }]);
}

async function replace(client: AdminClient, device: string, successor: string): Promise<string> {
  const body = { device, with: successor };
  const { epoch, generation } = await client.ask(DeviceChangedAnswer, {
    method: 'POST',
    path: '/devices/replace',
    body,
  });
  return `replaced  Device/${device} with Device/${successor}\ngeneration ${epoch}.${generation}\n`;
}

async function wipe(client: AdminClient, device: string): Promise<string> {
  const question = { method: 'POST', path: '/devices/wipe', body: { device } } as const;
  const { epoch, generation } = await client.ask(DeviceChangedAnswer, question);
  return `wipe asked for  Device/${device}: its event cache.wiped tells when it has done so\ngeneration ${epoch}.${generation}\n`;
}

async function approve(client: AdminClient, keyHash: string, name: string, group: string | undefined): Promise<string> {
  const body = { keyHash, name, ...(group === undefined ? {} : { group }) };
  const { epoch, generation } = await client.ask(DeviceChangedAnswer, {
    method: 'POST',
    path: '/devices/approve',
    body,
  });
  return `approved  Device/${name}\ngeneration ${epoch}.${generation}\n`;
}

async function listUnknown(client: AdminClient, format: Format): Promise<string> {
  const { items, more } = await client.ask(UnknownDevicesAnswer, { path: '/unknown-devices' });
  if (format === 'table') {
    if (items.length === 0) return 'no unknown device has asked in the last week\n';
    const rows = items.map(({ keyHash, lastSeenAt, firstSeenAt, servers, certificate }) => [
      ...[keyHash, moment(lastSeenAt), moment(firstSeenAt), servers.join(',')],
      ...[certificate.name, moment(certificate.expiresAt)],
    ]);
    const head = ['KEY', 'LAST SEEN', 'FIRST SEEN', 'BY', 'CERTIFICATE SAYS', 'UNTIL'];
    return `${table(head, rows)}${more ? 'there are more: they come when these are approved\n' : ''}`;
  }
  const objects = items.map(body => ({ kind: 'UnknownDevice', name: body.keyHash, generation: 0, body }));
  return format === 'json' ? toJson(objects) : toYaml(objects);
}
