import { Command } from 'commander';
import { PACKAGE_VERSION } from '../../runtime/version.ts';
import type { AdminClient } from './admin-client.ts';
import { parseCount, parseDuration } from './arguments.ts';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { readDocuments } from './documents.ts';
import { parseFormat } from './format.ts';
import { objectKind, readableKind } from './kinds.ts';
import { login } from './login-command.ts';
import { getEffective, getEvents, getHistory, getObjects, getStatus } from './read-commands.ts';
import { applyFiles, deleteObject, diffFiles, makeToken, revokeDevice, rollback } from './write-commands.ts';

/** Options as commander gives them: those of the command and those of `thinman` itself. */
type Options = ConnectionOptions & {
  readonly file: readonly string[];
  readonly output: string;
  readonly name: string;
  readonly url: string;
  readonly to: string;
  readonly device: string;
  readonly user?: string;
  readonly type?: string;
  readonly limit?: string;
  readonly group?: string;
  readonly uses?: string;
  readonly ttl?: string;
};

/** The command line of `thinman`. Results go to `out`; everything else is thrown. */
export function thinmanProgram(out: (text: string) => void): Command {
  const program = new Command('thinman')
    .description('Administers a ThinMan site.')
    .version(PACKAGE_VERSION)
    .option('--server <url>', 'the server, after `thinman login`; default: the one logged in to last')
    .option('--ca <file>', "the site's CA certificate (DIR/ca.crt on the server)")
    .option('--pin <sha256>', "SHA-256 of the site's CA key, as thinman-server init printed it")
    .option('--data <dir>', "on the server's own host: its data folder");

  /** What a command does when it is called: with one server, and printing what comes of it. */
  const asking =
    (run: (client: AdminClient, options: Options, args: readonly string[]) => Promise<string>) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const options = command.optsWithGlobals<Options>();
      out(await withConnection(options, client => run(client, options, command.args)));
    };

  program
    .command('login')
    .description('proves who administers, and keeps the session')
    .option('--user <name>', 'the administrator', 'admin')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (_options, command: Command) => out(await login(command.optsWithGlobals())));

  for (const [name, description, work] of [
    ['apply', 'creates and updates objects, all or nothing', applyFiles],
    ['diff', 'says what apply would change', diffFiles],
  ] as const) {
    program
      .command(name)
      .description(description)
      .requiredOption('-f, --file <file...>', 'YAML or JSON files, folders of them, or - for standard input')
      .action(async (_options, command: Command) => {
        const options = command.optsWithGlobals<Options>();
        const objects = await readDocuments(options.file);
        out(await withConnection(options, client => work(client, objects)));
      });
  }

  program
    .command('get')
    .description('shows objects of a kind, or one; also events (get Event)')
    .argument('<kind>')
    .argument('[name]')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .option('--limit <n>', 'events: at most so many')
    .option('--type <type>', 'events: of this type')
    .option('--user <name>', 'events: of this user')
    .action(async (kindText: string, name: string | undefined, _options, command: Command) => {
      const kind = readableKind(kindText);
      const { output, limit, type, user, ...connection } = command.optsWithGlobals<Options>();
      const format = parseFormat(output);
      const filter = {
        ...(limit === undefined ? {} : { limit: parseCount('--limit', limit) }),
        ...(type === undefined ? {} : { type }),
        ...(user === undefined ? {} : { user }),
      };
      out(
        await withConnection(connection, client =>
          kind === 'Event' ? getEvents(client, { format, ...filter }) : getObjects(client, kind, name, format),
        ),
      );
    });

  program
    .command('delete')
    .description('deletes an object that no other one names')
    .argument('<kind>')
    .argument('<name>')
    .action(asking((client, _options, [kind = '', name = '']) => deleteObject(client, objectKind(kind), name)));

  program
    .command('history')
    .description('shows what an object was, and who changed it')
    .argument('<kind>')
    .argument('<name>')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .action(
      asking((client, { output }, [kind = '', name = '']) =>
        getHistory(client, objectKind(kind), name, parseFormat(output)),
      ),
    );

  program
    .command('rollback')
    .description('makes an object what it was at a generation')
    .argument('<kind>')
    .argument('<name>')
    .requiredOption('--to <generation>', 'the generation')
    .action(
      asking((client, { to }, [kind = '', name = '']) =>
        rollback(client, objectKind(kind), name, parseCount('--to', to)),
      ),
    );

  const token = program.command('token').description('makes an enrolment token and prints it, alone');
  token
    .command('device')
    .description('for thin clients')
    .option('--group <name>', 'the device group that they are put in')
    .option('--uses <n>', 'how many devices it is good for', '1')
    .option('--ttl <time>', 'how long it is good for: 90m, 24h, 7d', '24h')
    .action(
      asking((client, { group, uses = '1', ttl = '24h' }) =>
        makeToken(client, {
          for: 'device',
          uses: parseCount('--uses', uses),
          ttlMs: parseDuration(ttl),
          ...(group === undefined ? {} : { group }),
        }),
      ),
    );
  token
    .command('server')
    .description('for a server that joins; good for an hour')
    .requiredOption('--name <name>', "the server's name")
    .requiredOption('--url <url>', 'how devices reach it')
    .action(asking((client, { name, url }) => makeToken(client, { for: 'server', name, url })));

  const device = program.command('device').description('administers a thin client that is known');
  device
    .command('revoke')
    .description('refuses the device for good, and has it erase what it holds of users')
    .argument('<name>')
    .action(asking((client, _options, [name = '']) => revokeDevice(client, name)));
  device
    .command('reenroll')
    .description('prints a token that gives this device a new key; name, group and all else stay')
    .argument('<name>')
    .option('--ttl <time>', 'how long it is good for: 90m, 24h, 7d', '24h')
    .action(
      asking((client, { ttl = '24h' }, [name = '']) =>
        makeToken(client, { for: 'reenroll', device: name, ttlMs: parseDuration(ttl) }),
      ),
    );

  program
    .command('effective')
    .description('shows what holds on a device, for a user there, and where each value comes from')
    .requiredOption('--device <name>', 'the device')
    .option('--user <name>', 'the user')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .action(asking((client, { device, user, output }) => getEffective(client, device, user, parseFormat(output))));

  program
    .command('status')
    .description('shows the state of the server')
    .option('-o, --output <format>', 'table, yaml or json', 'table')
    .action(asking((client, { output }) => getStatus(client, parseFormat(output))));

  return program;
}
