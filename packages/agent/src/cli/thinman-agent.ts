import { type Command, CommanderError, Command as Program } from 'commander';
import { PACKAGE_VERSION } from '../runtime/version.ts';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { outliveReaders } from './standard-streams.ts';

type DataOption = { readonly data: string };

/** Runs one command and sets the process's exit code. Commands are loaded when they run: `status` needs no TLS, no SQLite. */
export async function main(argv: readonly string[]): Promise<void> {
  outliveReaders();
  try {
    process.exitCode = await run(argv);
  } catch (error) {
    const { exitCode, message } = failureOf(error);
    if (message !== '') process.stderr.write(`thinman-agent: ${message}\n`);
    process.exitCode = exitCode;
  }
}

async function run(argv: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  const program = new Program('thinman-agent')
    .description('The ThinMan agent: logs users of a thin client in, whatever fails')
    .version(PACKAGE_VERSION)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  const add = (name: string, description: string): Command =>
    program.command(name).description(description).requiredOption('--data <dir>', "the agent's data folder");

  add('enroll', 'makes this device one of a site')
    .argument('<token>', 'made by `thinman token device`')
    .option('--name <name>', "the device's name")
    .action(async (token: string, options: DataOption & { name?: string }) => {
      exitCode = await (await import('./enroll.ts')).runEnroll(token, options.data, options.name);
    });
  add('start', 'runs the agent in the foreground').action(async ({ data }: DataOption) => {
    exitCode = await (await import('./start.ts')).runStart(data);
  });
  add('status', 'says where the running agent stands')
    .option('--json', 'prints JSON')
    .action(async ({ data, json }: DataOption & { json?: true }) => {
      exitCode = await (await import('./ask.ts')).runStatus(data, json === true);
    });
  add('login', 'logs a user in through the running agent')
    .requiredOption('--user <name>', 'who')
    .option('--password-stdin', 'reads the password from standard input')
    .option('--json', 'prints JSON')
    .action(async (options: DataOption & { user: string; passwordStdin?: true; json?: true }) => {
      const { data, user, passwordStdin, json } = options;
      exitCode = await (await import('./ask.ts')).runLogin(data, user, passwordStdin === true, json === true);
    });
  add('logout', 'ends the session').action(async ({ data }: DataOption) => {
    exitCode = await (await import('./ask.ts')).runLogout(data);
  });

  await program.parseAsync(argv);
  return exitCode;
}

function failureOf(error: unknown): { readonly exitCode: ExitCode; readonly message: string } {
  if (error instanceof CommandFailure) return error;
  if (error instanceof CommanderError) {
    // Help was asked for and printed, or nothing was asked and it was printed in place of an answer.
    if (error.exitCode === 0) return { exitCode: EXIT.done, message: '' };
    const words = error.code === 'commander.help' ? 'name a command' : inOneLine(error.message);
    return { exitCode: EXIT.wrongUse, message: `${words} (see \`thinman-agent --help\`)` };
  }
  return { exitCode: EXIT.failed, message: error instanceof Error ? error.message : String(error) };
}

/** What commander says of a wrong command line, without what was given: somebody may have typed a password there. */
function inOneLine(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/^(unknown option '--[^'=]*)=.*'/s, "$1'")
    .replace(/^(unknown option '-[^-']).*'/s, "$1'")
    .replace(/(but got \d+): .*$/s, '$1')
    .replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean "$1"?');
}
