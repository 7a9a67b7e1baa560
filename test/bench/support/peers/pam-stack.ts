import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SYSTEM_PATH } from '../../../support/programs.ts';
import type { View } from './view.ts';

export const SERVICE = 'bench';

/** `pam-auth-update` of Debian writes these lines, with those of libpam-sss where it is installed. */
const STACKS = {
  machine: {
    auth: ['auth [success=1 default=ignore] pam_unix.so nullok'],
    account: [],
  },
  sssd: {
    auth: [
      'auth [success=2 default=ignore] pam_unix.so nullok',
      'auth [success=1 default=ignore] pam_sss.so use_first_pass',
    ],
    account: ['account sufficient pam_localuser.so', 'account [default=bad success=ok user_unknown=ignore] pam_sss.so'],
  },
} as const;

/** A folder like /etc/pam.d, with a service that has nothing but Debian's includes. */
export function writePamFolder(folder: string, kind: keyof typeof STACKS): string {
  const { auth, account } = STACKS[kind];
  const lines = {
    'common-auth': [...auth, 'auth requisite pam_deny.so', 'auth required pam_permit.so'],
    'common-account': [
      'account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so',
      'account requisite pam_deny.so',
      'account required pam_permit.so',
      ...account,
    ],
    [SERVICE]: ['@include common-auth', '@include common-account'],
  };
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(lines)) writeFileSync(join(folder, name), `${content.join('\n')}\n`);
  return folder;
}

export type PamAnswer = { readonly ok: boolean; readonly said: string; readonly ms: number };

/** `pamtester` in a view: a login as a greeter does it, from the start of the process to its end. */
export async function logInThroughPam(view: View, user: string, password: string): Promise<PamAnswer> {
  const [program = 'nsenter', ...rest] = [...view.command, 'pamtester', SERVICE, user, 'authenticate', 'acct_mgmt'];
  const startedMs = performance.now();
  const child = spawn(program, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, PATH: SYSTEM_PATH, LANG: 'C.UTF-8' },
  });
  child.stdin.on('error', () => {}).end(`${password}\n`);
  const ended = new Promise<number | null>(resolve => child.once('close', resolve));
  const [out, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { ok: code === 0, said: out + errors, ms: performance.now() - startedMs };
}
