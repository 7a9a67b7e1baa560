import { once } from 'node:events';
import {
  type Agent,
  AgentCannotStart,
  createAgent,
  IdentityDamaged,
  IdentityOfNewerVersion,
  LocalSettingsUnusable,
} from '../agent.ts';
import { MemoryFolderUnfit } from '../apply/memory-folder.ts';
import { errorCode } from '../error-code.ts';
import { SocketUnusable } from '../local/unix-socket.ts';
import { keepCompiled } from './compiled.ts';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';
import { folderFailure } from './folder-failure.ts';
import { releaseMemoryWhenIdle } from './idle-memory.ts';
import { unixUser } from './unix-user.ts';

export type StartOptions = {
  readonly display?: string;
  readonly clientUser?: string;
  readonly runtime?: string;
  readonly greeterPort?: number | undefined;
};

const PORT_TROUBLE: readonly string[] = ['EADDRINUSE', 'EADDRNOTAVAIL'];

/** Runs the agent until SIGTERM or SIGINT. Nothing else ends it: servers that are away are what it is for. */
export async function runStart(dataDir: string, options: StartOptions = {}): Promise<ExitCode> {
  // Listening before anything is opened: a signal that comes early still ends it in order.
  const asked = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => 'asked' as const);
  const agent = build(dataDir, options);
  try {
    await agent.start();
    const ready = await Promise.race([agent.ready(), asked]);
    if (ready !== 'asked') {
      const server = ready.server === null ? '' : ` server=${ready.server}`;
      process.stdout.write(`READY mode=${ready.mode}${server}\n`);
      keepCompiled();
      releaseMemoryWhenIdle(agent.onChange);
      await asked;
    }
    return EXIT.done;
  } catch (error) {
    if (error instanceof SocketUnusable) throw new CommandFailure(EXIT.wrongUse, error.message);
    if (PORT_TROUBLE.includes(errorCode(error) ?? ''))
      throw new CommandFailure(
        EXIT.wrongUse,
        `the port of the greeter page cannot be used (${errorCode(error)}): choose another --greeter PORT`,
      );
    throw folderFailure(error, dataDir) ?? error;
  } finally {
    await agent.stop();
  }
}

function build(dataDir: string, { display, clientUser, runtime, greeterPort }: StartOptions): Agent {
  if (display === undefined && clientUser !== undefined) {
    throw new CommandFailure(EXIT.wrongUse, '--client-user without --display: nothing is opened without a screen');
  }
  const user = clientUser === undefined ? {} : { user: unixUser(clientUser) };
  try {
    return createAgent({
      dataDir,
      greeterPort,
      ...(display !== undefined && { clients: { display, ...user } }),
      ...(runtime !== undefined && { runtimeDir: runtime }),
    });
  } catch (error) {
    if (error instanceof AgentCannotStart) throw new CommandFailure(EXIT_CODES[error.reason], error.message);
    if (error instanceof MemoryFolderUnfit) throw new CommandFailure(EXIT.wrongUse, error.message);
    if (error instanceof IdentityOfNewerVersion) throw new CommandFailure(EXIT.wrongUse, error.message);
    if (error instanceof LocalSettingsUnusable) throw new CommandFailure(EXIT.wrongUse, error.message);
    if (error instanceof IdentityDamaged) throw new CommandFailure(EXIT.failed, error.message);
    throw folderFailure(error, dataDir) ?? error;
  }
}

const EXIT_CODES: Readonly<Record<AgentCannotStart['reason'], ExitCode>> = {
  not_enrolled: EXIT.wrongUse,
  folder_in_use: EXIT.wrongUse,
  identity_damaged: EXIT.failed,
};
