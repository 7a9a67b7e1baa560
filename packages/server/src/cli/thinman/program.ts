import { Command } from 'commander';
import { PACKAGE_VERSION } from '../../runtime/version.ts';
import { parseCount, parseGeneration, parseTtl, parseUses } from './arguments.ts';
import type { Asking, Options } from './asking.ts';
import { CommandError, EXIT } from './command-error.ts';
import { withConnection } from './connection.ts';
import { addDeploymentCommands, diffGenerations } from './deployment-commands.ts';
import { addDeviceCommands } from './device-commands.ts';
import { addDirectoryCommands } from './directory-commands.ts';
import { readDocuments } from './documents.ts';
import { getEffective, getIfApplied } from './effective-command.ts';
import { printEvents } from './event-list.ts';
import { parseFormat } from './format.ts';
import { objectKind, readableKind } from './kinds.ts';
import { login } from './login-command.ts';
import { addOfflineCommands } from './offline-commands.ts';
import { getHistory, getObjects, getStatus } from './read-commands.ts';
import { rollbackObject, rollbackSite } from './rollback-command.ts';
import { addUserCommands } from './user-commands.ts';
import { applyFiles, deleteObject, diffFiles, makeToken } from './write-commands.ts';

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
  const asking: Asking =
    run =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const options = command.optsWithGlobals<Options>();
      const said = await withConnection(options, client => run(client, options, command.args));
      if (typeof said === 'string') return out(said);
      out(said.text);
      // What is wrong has been said.
      if (said.exitCode !== EXIT.done) throw new CommandError(said.exitCode);
    };

  program
    .command('login')
    .description('proves who administers, and keeps the session')
    .option('--user <name>', 'the administrator', 'admin')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (_options, command: Command) => out(await login(command.optsWithGlobals())));

  const output = ['-o, --output <format>', 'table, yaml or json', 'table'] as const;
  const files = ['-f, --file <file...>', 'YAML or JSON files, folders of them, or - for standard input'] as const;
  program
    .command('apply')
    .description('creates and updates objects, all or nothing')
    .requiredOption(...files)
    .option(...output)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const format = parseFormat(options.output);
      const objects = await readDocuments(options.file);
      out(await withConnection(options, client => applyFiles(client, objects, format)));
    });
  program
    .command('diff')
    .description('says what apply would change, or (--generation) what lies between two generations')
    .option(...files)
    .option('--generation <from...>', 'two generations: FROM TO')
    .option(...output)
    .action(async (_options, command: Command) => {
      const { file, generation, ...options } = command.optsWithGlobals<
        Omit<Options, 'file' | 'generation'> & { readonly file?: readonly string[]; readonly generation?: string[] }
      >();
      const [from, to, ...others] = generation ?? [];
      const format = parseFormat(options.output);
      if (file !== undefined && generation === undefined) {
        const objects = await readDocuments(file);
        out(await withConnection(options, client => diffFiles(client, objects, format)));
      } else if (file === undefined && from !== undefined && to !== undefined && others.length === 0) {
        const of = { from: parseGeneration('--generation', from), to: parseGeneration('--generation', to), format };
        out(await withConnection(options, client => diffGenerations(client, of)));
      } else throw new CommandError(EXIT.misuse, 'say what is compared: -f FILE..., or --generation FROM TO');
    });

  program
    .command('get')
    .description('shows objects of a kind, or one; also events (get Event)')
    .argument('<kind>')
    .argument('[name]')
    .option(...output)
    .option('--limit <n>', 'events: at most so many (a table has 200 without it, JSON and YAML have all)')
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
      await withConnection(connection, async client => {
        if (kind === 'Event') await printEvents(client, { format, ...filter }, out);
        else out(await getObjects(client, kind, name, format));
      });
    });

  program
    .command('delete')
    .description('deletes an object that no other one names')
    .argument('<kind>')
    .argument('<name>')
    .option('--generation <n>', 'only if it is still as it was read at this generation')
    .action(
      asking((client, { generation }, [kind = '', name = '']) =>
        deleteObject(
          client,
          objectKind(kind),
          name,
          generation === undefined ? undefined : parseGeneration('--generation', generation),
        ),
      ),
    );

  program
    .command('history')
    .description('shows what an object was, and who changed it')
    .argument('<kind>')
    .argument('<name>')
    .option(...output)
    .action(
      asking((client, { output }, [kind = '', name = '']) =>
        getHistory(client, objectKind(kind), name, parseFormat(output)),
      ),
    );

  program
    .command('rollback')
    .description('makes an object, or everything that administrators wrote (--site), what it was at a generation')
    .argument('[kind]')
    .argument('[name]')
    .option('--site', 'the whole site, in one commit; back to the last tombstone that was removed (90 days)')
    .requiredOption('--to <generation>', 'the generation')
    .option('--dry-run', 'changes nothing, and says what would change')
    .option(...output)
    .action(
      asking((client, { site = false, to, dryRun = false, output: format }, [kind, name]) => {
        const target = { to: parseGeneration('--to', to), dryRun, format: parseFormat(format) };
        if (site && kind === undefined) return rollbackSite(client, target);
        if (site || kind === undefined || name === undefined) {
          throw new CommandError(EXIT.misuse, 'say what is rolled back: KIND NAME, or --site');
        }
        return rollbackObject(client, objectKind(kind), name, target);
      }),
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
          uses: parseUses(uses),
          ttlMs: parseTtl(ttl),
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

  addDeviceCommands(program, asking);
  addUserCommands(program, asking);
  addOfflineCommands(program, asking);
  addDeploymentCommands(program, asking);
  addDirectoryCommands(program, asking);

  program
    .command('effective')
    .description('shows what holds on a device, for a user there, and where each value comes from')
    .option('--device <name>', 'the device')
    .option('--user <name>', 'the user')
    .option('--if-applied <path...>', 'what applying these files would change, and where; nothing is done')
    .option(
      '--if-deleted <kind/name...>',
      'what deleting these would change, after the files of --if-applied if there are any',
    )
    .option(...output)
    .action(
      asking(async (client, { device, user, output, ifApplied, ifDeleted }) => {
        const question = { device, user, format: parseFormat(output) };
        if (ifApplied === undefined && ifDeleted === undefined) return getEffective(client, question);
        const files = ifApplied === undefined ? [] : await readDocuments(ifApplied);
        return getIfApplied(client, question, files, ifDeleted);
      }),
    );

  program
    .command('status')
    .description('shows the state of the server')
    .option(...output)
    .action(asking((client, { output }) => getStatus(client, parseFormat(output))));

  return program;
}
