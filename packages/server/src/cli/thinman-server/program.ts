import { Command } from 'commander';
import { PACKAGE_VERSION } from '../../runtime/version.ts';
import { parseEpochAbove } from '../thinman/arguments.ts';
import type { CaResult } from './ca-command.ts';

const ACCEPT_WEAK_DURABILITY = [
  '--accept-weak-durability',
  'use a database that may lose what it has acknowledged (sync_binlog, innodb_flush_log_at_trx_commit, binlog_format)',
] as const;

const EPOCH_ABOVE = [
  '--epoch-above <number>',
  'the new epoch is higher than this: than what thin clients or servers know that cannot be asked now',
  parseEpochAbove,
] as const;

/**
 * The command line of `thinman-server`. Results go to `out`; what goes wrong is thrown. Each command loads what it needs
 * alone: `status` is asked often and needs no server.
 */
export function serverProgram(out: (text: string) => void): Command {
  const program = new Command('thinman-server').description('Runs a ThinMan server.').version(PACKAGE_VERSION);

  const show = ({ text, exitCode }: CaResult) => {
    out(text);
    if (exitCode !== undefined) process.exitCode = exitCode;
  };
  /** What every new server is told. */
  const newServer = (command: Command) =>
    command
      .requiredOption('--data <dir>', 'its data folder, to be made')
      .requiredOption('--name <name>', 'its name in the site')
      .requiredOption('--listen <host:port>', 'where it listens, for example 0.0.0.0:7443')
      .requiredOption(
        '--url <url>',
        'how devices and other servers reach it, for example https://thinman.example.org:7443',
      );

  newServer(program.command('init').description('makes a new site and its Primary'))
    .option('--database <url>', 'the source of record, sqlite:PATH or mysql://…; default: sqlite:DIR/site.db')
    .option(...ACCEPT_WEAK_DURABILITY)
    .option('--admin-password-stdin', 'read the password of the administrator "admin" from standard input')
    .action(async options => out(await (await import('./init-command.ts')).initCommand(options)));

  newServer(program.command('join').description('makes this host a Secondary of a site').argument('<token>'))
    .option('--database <url>', 'its own source of record: the same MySQL or MariaDB as the Primary, or its Slave')
    .option('--single-host', 'a trial: both servers on this machine, on one SQLite file')
    .action(async (token: string, options) =>
      out(await (await import('./join-command.ts')).joinCommand(token, options)),
    );

  program
    .command('start')
    .description('runs the server in the foreground, until SIGTERM')
    .requiredOption('--data <dir>', 'its data folder')
    .option(...ACCEPT_WEAK_DURABILITY)
    .option('--isolated', 'a Primary: take administrative writes, though it sees neither a device nor another server')
    .action(async options => (await import('./start-command.ts')).startCommand(options, out));

  for (const [name, description, run] of [
    ['status', 'shows the state of the running server', 'statusCommand'],
    ['drain', 'stops the running server as planned: devices move, logins in flight end', 'drainCommand'],
  ] as const) {
    program
      .command(name)
      .description(description)
      .requiredOption('--data <dir>', 'its data folder')
      .option('--json', 'print the state as JSON')
      .action(async options => out(await (await import('./running-server.ts'))[run](options)));
  }

  program
    .command('emergency-code')
    .description('answers the challenge of a device, by telephone: its user may log in offline there for some hours')
    .requiredOption('--data <dir>', 'the data folder of this server, Primary or Secondary')
    .requiredOption('--device <name>', 'as the device shows it')
    .requiredOption('--user <name>', 'who is to log in, letter by letter as the device shows it')
    .requiredOption('--challenge <digits>', 'the eight digits that the device shows')
    .option('--hours <n>', 'how long: 1, 2, 4, 8, 12, 24, 48 or 72', '8')
    .option('--json', 'print the answer as JSON')
    .action(async options => out(await (await import('./emergency-code-command.ts')).emergencyCodeCommand(options)));

  program
    .command('verify')
    .description('compares the replica of this server with its source of record, byte for byte; it may run meanwhile')
    .requiredOption('--data <dir>', 'its data folder')
    .option('--json', 'print the result as JSON')
    .action(async options => show(await (await import('./verify-command.ts')).verifyCommand(options)));

  program
    .command('doctor')
    .description(
      'looks at this host: folder, disk, database, replication, certificates, the other server; says what to do',
    )
    .requiredOption('--data <dir>', 'its data folder')
    .option('--json', 'print the result as JSON')
    .option('--recovery-code-stdin', 'read the recovery code from standard input, verify it, and note that it was')
    .action(async options => show(await (await import('./doctor-command.ts')).doctorCommand(options)));

  program
    .command('backup')
    .description('writes the whole site into a file that its recovery code opens; the Primary may run meanwhile')
    .argument('<file>')
    .requiredOption('--data <dir>', "the Primary's data folder")
    .option('--force', 'replace a file that is there already')
    .action(async (file: string, options) =>
      out(await (await import('./backup-command.ts')).backupCommand(file, options)),
    );

  program
    .command('restore')
    .description('makes this host the Primary of a site from a backup, on an empty database')
    .argument('<file>')
    .requiredOption('--data <dir>', 'its data folder, to be made')
    .requiredOption('--listen <host:port>', 'where it listens, for example 0.0.0.0:7443')
    .requiredOption('--url <url>', 'how devices and other servers reach it: as before, where they are to find it again')
    .option('--database <url>', 'an empty database, sqlite:PATH or mysql://…; default: sqlite:DIR/site.db')
    .option(...EPOCH_ABOVE)
    .option(...ACCEPT_WEAK_DURABILITY)
    .option('--recovery-code-stdin', 'read the recovery code from standard input')
    .action(async (file: string, options) =>
      out(await (await import('./backup-command.ts')).restoreCommand(file, options)),
    );

  program
    .command('accept-database')
    .description(
      'on the Primary: a database that lacks what this server has seen counts from now on; what it lacks is exported',
    )
    .requiredOption('--data <dir>', 'its data folder')
    .option('--dry-run', 'show what would go, and do nothing')
    .option('--nobody-was-promoted', 'your word that no other server of the site was promoted, where none is seen')
    .option(...EPOCH_ABOVE)
    .option('--yes', 'do not ask')
    .option('--json', 'print the answer as JSON')
    .action(async options => (await import('./accept-database-command.ts')).acceptDatabaseCommand(options, out));

  program
    .command('promote')
    .description('on a Secondary: it becomes the Primary, for when the host of the old one is gone for good')
    .requiredOption('--data <dir>', 'its data folder')
    .option('--database <url>', 'another URL for its database from now on, for example with an account that may write')
    .option('--recovery-code-stdin', 'read the recovery code from standard input')
    .option('--old-primary-is-off', 'your word that the host of the old Primary is off')
    .option('--yes', 'do not ask')
    .option('--json', 'print the answer as JSON')
    .action(async options => (await import('./promote-command.ts')).promoteCommand(options, out));

  const ca = program.command('ca').description("changes the site's CA, on the running Primary: begin, switch, finish");
  const caCommand = (name: string, description: string) =>
    ca
      .command(name)
      .description(description)
      .requiredOption('--data <dir>', 'its data folder')
      .option('--json', 'print the answer as JSON');
  caCommand('status', 'shows where the change stands, and whom it waits for').action(async options =>
    show(await (await import('./ca-command.ts')).caStatusCommand(options)),
  );
  for (const [step, description] of CA_STEPS) {
    const command = caCommand(step, description);
    if (step !== 'begin') command.option('--force', 'do not wait for servers and devices that are not ready');
    command.action(async options => show(await (await import('./ca-command.ts')).caStepCommand(step, options)));
  }
  return program;
}

const CA_STEPS = [
  ['begin', 'makes the next CA, and a new recovery code; servers and devices learn to trust it'],
  ['switch', 'lets the next CA issue; servers and devices renew their certificates'],
  ['finish', 'ends the trust in the old CA'],
] as const;
