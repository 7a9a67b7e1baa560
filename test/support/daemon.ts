import type { Command, Finished, Processes, Running, StartOptions } from './processes.ts';

/** A command that runs in the foreground until it is ended: a server or an agent, which is started many times here. */
export type Daemon = {
  readonly name: string;
  /** Starts it and waits for its line `READY …`, which is given back. `build`: path of the same command of another build. */
  start(build?: string): Promise<string>;
  /** Power off: SIGKILL. Nothing happens when it does not run. */
  kill(): Promise<void>;
  /** A planned end: SIGTERM. */
  stop(): Promise<Finished>;
  /** SIGSTOP: it answers nothing, but its connections stay. */
  freeze(): Promise<void>;
  thaw(): void;
  isRunning(): boolean;
  /** The one that runs, or that ran last. */
  process(): Running;
};

export function createDaemon(
  processes: Processes,
  name: string,
  command: Command,
  args: readonly string[],
  options: Pick<StartOptions, 'environment' | 'inside'> = {},
): Daemon {
  let current: Running | undefined;
  const process = () => {
    if (current === undefined) throw new Error(`${name} has not been started`);
    return current;
  };
  const isRunning = () => current?.isRunning() === true;
  return {
    name,
    start: build => {
      if (isRunning()) throw new Error(`${name} runs already`);
      current = processes.start(name, build ?? command, args, options);
      return current.waitForLine(/^READY /);
    },
    kill: async () => {
      if (isRunning()) await process().kill();
    },
    stop: () => process().stop(),
    freeze: () => process().freeze(),
    thaw: () => process().signal('SIGCONT'),
    isRunning,
    process,
  };
}
