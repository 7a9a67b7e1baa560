import { brief } from '../apply/brief.ts';
import { childProcess } from '../child-process.ts';
import type { Seal } from '../seals.ts';

/** Bound into what is sealed: nothing that was sealed for something else opens as this. */
const NAME = 'thinman-device-secret';
/**
 * For all calls of one start together: a TPM takes a second or two for each of at most four, and while one hangs nobody can log in here, not
 * even online.
 */
export const DEADLINE_MS = 15_000;
/** What is left to a call when the time is over: to say so at once. */
const NO_TIME_MS = 1;
const MAX_OUTPUT_BYTES = 64 * 1024;

export type CredsResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** Seals and opens a few bytes. Nothing secret is in arguments, files or environment, and none of it in `why`. */
export type Creds = {
  hasTpm(): boolean;
  /** `value`: text. */
  seal(secret: Uint8Array, by: Seal): CredsResult<string>;
  open(sealed: string): CredsResult<Buffer>;
};

/** Debian's `systemd-creds`, as it is found on the PATH. */
export function systemdCreds(command = 'systemd-creds', deadlineMs = DEADLINE_MS): Creds {
  let leftMs = deadlineMs;

  function run(args: readonly string[], input: Uint8Array | string): CredsResult<Buffer> {
    if (leftMs < NO_TIME_MS) return { ok: false, why: `${command} gave no answer` };
    const beganMs = performance.now();
    const result = call(args, input);
    leftMs -= performance.now() - beganMs;
    return result;
  }

  function call(args: readonly string[], input: Uint8Array | string): CredsResult<Buffer> {
    const { error, status, signal, stdout, stderr } = childProcess().spawnSync(command, args, {
      input,
      timeout: Math.ceil(leftMs),
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const code = error !== undefined && 'code' in error ? String(error.code) : error?.message;
    // One that refuses before it has read what it was given has said why.
    if (code !== undefined && !(code === 'EPIPE' && status !== null)) {
      if (code === 'ENOENT') return { ok: false, why: `${command} is not installed` };
      return {
        ok: false,
        why: code === 'ETIMEDOUT' ? `${command} gave no answer` : `${command} cannot be run (${code})`,
      };
    }
    if (status === 0) return { ok: true, value: stdout };
    const said = stderr.toString('utf8').trim().split('\n').at(-1) ?? '';
    return { ok: false, why: brief(said === '' ? `${command} ended with ${status ?? signal}` : said) };
  }

  return {
    hasTpm: () => run(['has-tpm2', '--quiet'], '').ok,
    seal(secret, by) {
      const sealed = run(['encrypt', `--with-key=${by}`, `--name=${NAME}`, '-', '-'], secret);
      return sealed.ok ? { ok: true, value: sealed.value.toString('utf8').trim() } : sealed;
    },
    open: sealed => run(['decrypt', `--name=${NAME}`, '-', '-'], `${sealed}\n`),
  };
}
