import { AgentCannotStart, createAgent, IdentityDamaged } from '../agent.ts';
import { SocketUnusable } from '../local/unix-socket.ts';
import { CommandFailure, EXIT, type ExitCode } from './exit.ts';

/** Runs the agent in the foreground until SIGTERM or SIGINT. Servers that are away are no reason to end. */
export async function runStart(dataDir: string): Promise<ExitCode> {
  const stopAsked = nextSignal('SIGTERM', 'SIGINT');
  const agent = open(dataDir);
  try {
    await agent.start();
    const ready = await Promise.race([agent.ready(), stopAsked]);
    if (ready !== undefined) {
      const server = ready.server === null ? '' : ` server=${ready.server}`;
      process.stdout.write(`READY mode=${ready.mode}${server}\n`);
      await stopAsked;
    }
    return EXIT.done;
  } catch (error) {
    if (error instanceof SocketUnusable) throw new CommandFailure(EXIT.wrongUse, error.message);
    throw error;
  } finally {
    await agent.stop();
  }
}

function open(dataDir: string): ReturnType<typeof createAgent> {
  try {
    return createAgent({ dataDir });
  } catch (error) {
    if (error instanceof AgentCannotStart) throw new CommandFailure(EXIT.wrongUse, error.message);
    if (error instanceof IdentityDamaged) throw new CommandFailure(EXIT.failed, error.message);
    throw error;
  }
}

/** Resolves at the first of these signals; the handlers stay, so that a second one does not cut the clean end. */
function nextSignal(...signals: readonly NodeJS.Signals[]): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  for (const signal of signals) process.on(signal, () => resolve(undefined));
  return promise;
}
