import { type Command, CommanderError, Command as Program } from 'commander';
import { PACKAGE_VERSION } from '../runtime/version.ts';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import type { StartOptions } from './start.ts';

type DataOption = { readonly data: string };

/** One command, read from its command line. Commands are loaded when they run: `status` needs no TLS, no SQLite. */
export async function runProgram(argv: readonly string[]): Promise<ExitCode> {
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
  add('start', 'runs the agent in the foreground')
    .option('--display <name>', 'opens connections there: an X display (:0) or a Wayland socket')
    .option('--client-user <name>', 'the user of the device under whom connections are opened')
    .option('--runtime <dir>', 'a folder in memory (tmpfs) for what must not outlive a session')
    .option('--greeter <port>', 'serves the greeter page on this port of 127.0.0.1')
    .action(async ({ data, greeter, ...options }: DataOption & StartOptions & { greeter?: string }) => {
      const greeterPort = greeter === undefined ? undefined : portOf(greeter);
      exitCode = await (await import('./start.ts')).runStart(data, { ...options, greeterPort });
    });
  add('greeter', 'prints where the greeter page is, for the browser of a kiosk').action(
    async ({ data }: DataOption) => {
      exitCode = await (await import('./ask.ts')).runGreeter(data);
    },
  );
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
  add('lock', 'locks the screen of whoever is signed in').action(async ({ data }: DataOption) => {
    exitCode = await (await import('./ask.ts')).runLock(data);
  });
  add('unlock', 'unlocks it by the password of whoever is signed in')
    .option('--password-stdin', 'reads the password from standard input')
    .option('--json', 'prints JSON')
    .action(async ({ data, passwordStdin, json }: DataOption & { passwordStdin?: true; json?: true }) => {
      exitCode = await (await import('./ask.ts')).runUnlock(data, passwordStdin === true, json === true);
    });
  add('session', 'lists the connections that can be opened now')
    .option('--json', 'prints JSON')
    .action(async ({ data, json }: DataOption & { json?: true }) => {
      exitCode = await (await import('./ask.ts')).runSession(data, json === true);
    });
  for (const verb of ['connect', 'disconnect'] as const) {
    add(verb, verb === 'connect' ? 'opens a connection' : 'closes a connection')
      .argument('<name>', 'as `session` lists it')
      .action(async (name: string, { data }: DataOption) => {
        exitCode = await (await import('./ask.ts')).runConnection(data, verb, name);
      });
  }
  add('passwd', "changes a user's own password, on the Primary")
    .requiredOption('--user <name>', 'whose')
    .option('--password-stdin', 'reads two lines from standard input: the old password, and the new one')
    .option('--json', 'prints JSON')
    .action(async (options: DataOption & { user: string; passwordStdin?: true; json?: true }) => {
      exitCode = await (await import('./passwd.ts')).runPasswd(options);
    });
  add('emergency', 'shows a challenge for the helpdesk, and takes the code that it gives')
    .requiredOption('--user <name>', 'who is to log in offline')
    .option('--code-stdin', 'reads the code from standard input, for the challenge that was shown last')
    .option('--json', 'prints JSON')
    .action(async (options: DataOption & { user: string; codeStdin?: true; json?: true }) => {
      exitCode = await (await import('./emergency.ts')).runEmergency(options);
    });
  add('logout', 'ends the session').action(async ({ data }: DataOption) => {
    exitCode = await (await import('./ask.ts')).runLogout(data);
  });
  const tell = (idle: boolean) => async (options: DataOption) => {
    exitCode = await (await import('./ask.ts')).runActivity(options.data, idle);
  };
  add(
    'idle',
    'the device is left alone from now on: session.lockAfterMinutes and logoutAfterMinutes are counted',
  ).action(tell(true));
  add('active', 'somebody uses the device again').action(tell(false));

  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) return refused(error);
    throw error;
  }
  return exitCode;
}

const MAX_PORT = 65_535;

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port > 0 && port <= MAX_PORT) return port;
  throw new CommandFailure(EXIT.wrongUse, `--greeter takes a port from 1 to ${MAX_PORT}`);
}

function refused(error: CommanderError): ExitCode {
  // Help was asked for and printed, or nothing was asked and it was printed in place of an answer.
  if (error.exitCode === 0) return EXIT.done;
  const words = error.code === 'commander.help' ? 'name a command' : inOneLine(error.message);
  throw new CommandFailure(EXIT.wrongUse, `${words} (see \`thinman-agent --help\`)`);
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
