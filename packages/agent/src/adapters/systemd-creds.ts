import { brief } from '../apply/brief.ts';
import { childProcess } from '../child-process.ts';
import type { Seal } from '../seals.ts';

/** Bound into what is sealed: nothing that was sealed for something else opens as this. */
const NAME = 'thinman-device-secret';
/** A TPM takes a second or two; one that hangs must not keep people from logging in. */
const DEADLINE_MS = 20_000;
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
export function systemdCreds(command = 'systemd-creds'): Creds {
  function run(args: readonly string[], input: Uint8Array | string): CredsResult<Buffer> {
    const { error, status, signal, stdout, stderr } = childProcess().spawnSync(command, args, {
      input,
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    if (error !== undefined) {
      const code = 'code' in error ? String(error.code) : error.message;
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
