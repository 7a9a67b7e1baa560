import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { SectionResult } from '@thinman/protocol';
import { childProcess } from '../../child-process.ts';
import { errorCode } from '../../error-code.ts';
import type { Clock } from '../../ports.ts';
import { brief } from '../brief.ts';
import { killMarked } from '../marked-processes.ts';
import type { Hook } from './hook-folder.ts';

/** A network that is set up anew takes 20 s at a slow switch; who needs longer starts a service. */
export const HOOK_DEADLINE_MS = 30_000;
/** What is kept of standard error: enough for its last line. */
const STDERR_KEPT_BYTES = 4_096;
/** Who complains more than this will not end, and each piece of it costs memory until it is collected. */
const MAX_STDERR_BYTES = 4 * 1024 * 1024;
/** After its end, for a child that still holds its standard error. */
const LAST_WORDS_MS = 200;

/** Exit codes: a contract (docs/devices.md). All others: failed. */
const EXIT_APPLIED = 0;
const EXIT_AFTER_REBOOT = 80;
const EXIT_AFTER_LOGOUT = 81;

/** Of util-linux: what it starts ends with the agent, however that ends. A hook that hangs would run beside the next one. */
const SETPRIV = '/usr/bin/setpriv';

/** The same for everybody: nothing of the agent's own environment. */
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
} as const;

/** In the environment of a hook and of all that it starts: by it they are found when its time is over. */
const RUN_MARK = 'THINMAN_HOOK_RUN';

export type HookRun = {
  readonly clock: Pick<Clock, 'after'>;
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
};

/**
 * Runs a hook with `input` on its standard input. When the time is over it is killed with all that it has started, in whatever
 * process groups and sessions (ADR 0096); what it leaves behind when it ends by itself may stay. What it prints on standard output goes nowhere; of standard error the last line is kept, and more than 4 MiB of it end the hook. Never rejects.
 */
export function runHook(
  hook: Hook,
  input: string,
  { clock, signal, deadlineMs = HOOK_DEADLINE_MS }: HookRun,
): Promise<SectionResult> {
  const run = randomUUID();
  return new Promise(resolve => {
    const [program, ...args] = existsSync(SETPRIV)
      ? ([SETPRIV, '--pdeathsig=KILL', '--', hook.path] as const)
      : ([hook.path] as const);
    const child = childProcess().spawn(program, args, {
      cwd: '/',
      env: { ...ENVIRONMENT, THINMAN_HOOK: hook.name, [RUN_MARK]: run },
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
    });
    let said: Buffer = Buffer.alloc(0);
    let saidBytes = 0;
    let end: SectionResult | undefined;
    const killAll = () => {
      const isThere = child.exitCode === null && child.signalCode === null;
      // Before the group: who descends from it is known while it is there.
      killMarked(RUN_MARK, run, isThere ? child.pid : undefined);
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // All of them have ended.
      }
    };
    const fail = (why: string): SectionResult => ({ result: 'failed', why: brief(`${hook.name}: ${why}`) });
    const stopTimer = clock.after(deadlineMs, () => {
      end ??= fail(`was ended after ${deadlineMs / 1000} s`);
      killAll();
    });
    const onAbort = () => {
      end ??= fail('was ended with the agent');
      killAll();
    };
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted === true) onAbort();
    const done = (result: SectionResult) => {
      stopTimer();
      signal?.removeEventListener('abort', onAbort);
      child.stderr.destroy();
      // What it has left behind may hold the other end, and never read.
      child.stdin.destroy();
      resolve(result);
    };
    child.stderr.on('data', (chunk: Buffer) => {
      const all = Buffer.concat([said, chunk.subarray(-STDERR_KEPT_BYTES)]);
      said = all.subarray(-STDERR_KEPT_BYTES);
      saidBytes += chunk.length;
      if (saidBytes <= MAX_STDERR_BYTES) return;
      end ??= fail('was ended: it printed more than 4 MiB on standard error');
      child.stderr.destroy();
      killAll();
    });
    // A hook need not read.
    child.stdin.on('error', () => {}).end(input);
    child.once('error', error => done(fail(`cannot be run (${errorCode(error) ?? error.name})`)));
    child.once('exit', (code, killedBy) => {
      const finish = () => done(end ?? resultOf(code, killedBy));
      const stopWaiting = clock.after(LAST_WORDS_MS, finish);
      child.once('close', () => {
        stopWaiting();
        finish();
      });
    });

    function resultOf(code: number | null, killedBy: string | null): SectionResult {
      if (code === EXIT_APPLIED) return { result: 'applied' };
      if (code === EXIT_AFTER_REBOOT) return { result: 'pending', until: 'reboot' };
      if (code === EXIT_AFTER_LOGOUT) return { result: 'pending', until: 'logout' };
      const words = lastLine(said.toString('utf8'));
      return fail(`${words === '' ? 'failed' : words} (${killedBy ?? `exit ${code}`})`);
    }
  });
}

function lastLine(text: string): string {
  return (
    text
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1) ?? ''
  );
}
