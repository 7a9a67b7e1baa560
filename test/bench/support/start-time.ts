import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { COMMANDS, type Command } from '../../support/processes.ts';

/** What a program must do to be counted as started. */
const EMPTY_PROGRAM = "process.stdout.write('READY\\n'); process.stdin.resume();";

/** ms from its start until the first line of a Node process that does nothing else. */
export const emptyStartMs = () => startMs(['--eval', EMPTY_PROGRAM], /^READY/);

/** The same of a command of ours. Seen as it comes, where `Running.waitForLine` looks 50 times a second. */
export const commandStartMs = (command: Command, args: readonly string[], line: RegExp) =>
  startMs([COMMANDS[command], ...args], line);

async function startMs(args: readonly string[], line: RegExp): Promise<number> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  try {
    let said = '';
    for await (const chunk of child.stdout) {
      said += chunk;
      if (said.includes('\n')) break;
    }
    const ms = performance.now() - startedMs;
    if (!line.test(said)) throw new Error(`"${args.join(' ')}" said: ${said}${child.stderr.read() ?? ''}`);
    return ms;
  } finally {
    child.kill('SIGTERM');
    child.stdin.end();
    await ended;
  }
}

/** An empty Node process that goes on until it is disposed of. */
export async function startEmptyNode(): Promise<Disposable & { readonly pid: number }> {
  const child = spawn(process.execPath, ['--eval', EMPTY_PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return { pid: child.pid ?? -1, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}
