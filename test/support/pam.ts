import { spawn } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Agent } from './agent-commands.ts';
import { runProgram, SYSTEM_PATH } from './programs.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAM_FOLDER = '/etc/pam.d';
/** As those of Debian's login and LightDM, as far as it matters here. */
const SERVICE = `auth optional pam_faildelay.so delay=1
@include common-auth
@include common-account
@include common-session-noninteractive
`;

/** Of the package lightdm 1.26.0-8+deb12u1, without its comments. */
export const LIGHTDM = `#%PAM-1.0
auth      requisite pam_nologin.so
session      required pam_env.so readenv=1
session      required pam_env.so readenv=1 envfile=/etc/default/locale
@include common-auth
-auth  optional pam_gnome_keyring.so
@include common-account
session  [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so close
session  required        pam_limits.so
session  required        pam_loginuid.so
@include common-session
session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so open
-session optional        pam_gnome_keyring.so auto_start
@include common-password
`;

/** What a person saw of one run of `pamtester`. `elapsedMs`: from its start to its end. */
export type PamAnswer = { readonly ok: boolean; readonly said: string; readonly elapsedMs: number };

/** A service of PAM on this machine, made by `scripts/install-pam.sh` for one agent. */
export type PamService = AsyncDisposable & {
  readonly file: string;
  /** `pamtester SERVICE USER OPERATION…`, with the password typed when it is asked for. */
  ask(user: string, password: string, ...operations: readonly string[]): Promise<PamAnswer>;
};

/** `account`: the account of this machine with which all sessions run. `records`: where user records go; `service`: its file. */
export async function pamService(
  agent: Agent,
  account: string,
  records: string,
  folder: string,
  service = SERVICE,
): Promise<PamService> {
  const name = `thinman-test-${process.pid}`;
  const file = join(PAM_FOLDER, name);
  if (existsSync(file)) throw new Error(`${file} is there already: remove it`);
  writeFileSync(file, service);
  const unixAccounts = { kind: 'shared', account, folder: records };
  writeFileSync(join(agent.data, 'local.json'), JSON.stringify({ unixAccounts }));
  const options = ['--data', agent.data, '--account', account, '--helper', join(folder, 'thinman-pam')];
  await runProgram('sh', join(ROOT, 'scripts/install-pam.sh'), ...options, '--keep-settings', name);
  return {
    file,
    ask: async (user, password, ...operations) => {
      const startedMs = performance.now();
      const child = spawn('pamtester', [name, user, ...operations], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, PATH: SYSTEM_PATH, LANG: 'en_US.UTF-8' },
      });
      child.stdin.on('error', () => {}).end(`${password}\n`);
      const [out, errors, code] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        new Promise(resolve => child.on('close', resolve)),
      ]);
      return { ok: code === 0, said: out + errors, elapsedMs: performance.now() - startedMs };
    },
    [Symbol.asyncDispose]: async () => rmSync(file, { force: true }),
  };
}
