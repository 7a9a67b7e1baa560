import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { follow, type Running } from './processes.ts';

const execute = promisify(execFile);
/** An installation says much. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Servers of the system are in sbin, which is not on everyone's PATH. */
export const SYSTEM_PATH = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;

/** The path of a program of the machine, for where `SYSTEM_PATH` is not looked at. */
export function systemProgram(program: string): string {
  const path = SYSTEM_PATH.split(':')
    .map(folder => join(folder, program))
    .find(existsSync);
  if (path === undefined) throw new Error(`${program} is not installed`);
  return path;
}

export type ProgramOptions = {
  readonly name: string;
  /** A program of the machine, found on `SYSTEM_PATH`, and its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
  /** Folder for what it says: NAME.log. */
  readonly logs: string;
  /** Where it runs: a host of `network/network.ts`. */
  readonly inside?: { readonly command: readonly string[] };
  readonly env?: Readonly<Record<string, string>>;
};

/**
 * Starts a program that is no command of ours: a database, a proxy. The kernel kills it when this process ends, however it
 * ends, so that none is left. `setpriv` and what stands in `inside` become the program: what is signalled is what runs.
 */
export function startProgram({ name, command, logs, inside, env }: ProgramOptions): Running {
  mkdirSync(logs, { recursive: true });
  const [first = 'setpriv', ...rest] = [...(inside?.command ?? []), 'setpriv', '--pdeathsig', 'KILL', '--', ...command];
  const child = spawn(first, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: SYSTEM_PATH, ...env },
  });
  return follow(name, child, join(logs, `${name}.log`));
}

/** Runs a program to its end and gives back what it wrote. Throws, with what it said, if it failed. */
export const runProgram = (program: string, ...args: readonly string[]) => feedProgram('', program, ...args);

/** The same, with something to read. */
export async function feedProgram(input: string, program: string, ...args: readonly string[]): Promise<string> {
  const running = execute('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
    env: { ...process.env, PATH: SYSTEM_PATH },
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  // A program that ends without reading closes the pipe: it has said why by its exit code.
  running.child.stdin?.on('error', () => {}).end(input);
  return (await running).stdout;
}
