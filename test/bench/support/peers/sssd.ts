import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BASE_DN, SERVICE_DN, SLAPD_PASSWORD } from '../../../support/directories/hospital.ts';
import type { Slapd } from '../../../support/directories/slapd.ts';
import type { Running } from '../../../support/processes.ts';
import { runProgram, startProgram, systemProgram } from '../../../support/programs.ts';
import { waitFor } from '../../../support/wait.ts';
import { writePamFolder } from './pam-stack.ts';
import { createView, type View } from './view.ts';

/** SSSD of the machine's packages in a view of its own: with its own settings, cache and sockets, and no others. */
export type Sssd = AsyncDisposable & {
  readonly view: View;
  /** Anew, with the same cache, until it knows `user`. */
  restart(user: string): Promise<void>;
};

/** Whole seconds: less it does not take. Its defaults are 6, 8, 6 and 60. */
const TIMEOUT_S = 1;
/** Until it asks again whether a server is back: short, and logins in between are answered from the cache. */
const OFFLINE_S = 10;
/** Modes as the Debian packages set them. */
const STATE_FOLDERS = {
  ...{ db: 0o700, deskprofile: 0o751, gpo_cache: 0o755, keytabs: 0o700, mc: 0o775, pipes: 0o755 },
  ...{ 'pipes/private': 0o750, pubconf: 0o755, 'pubconf/krb5.include.d': 0o755, secrets: 0o700 },
};
const NAMES = `passwd: files sss
group: files sss
shadow: files sss
hosts: files dns
`;

/** `docs/benchmarks.md` says why each of these is the best that it has. */
function settings(first: Slapd, backup: Slapd, caFile: string): string {
  return `[sssd]
services = nss, pam
domains = lab

[domain/lab]
id_provider = ldap
auth_provider = ldap
access_provider = permit
chpass_provider = none
sudo_provider = none
autofs_provider = none
subdomains_provider = none
ldap_uri = ${first.ldapsUrl}
ldap_backup_uri = ${backup.ldapsUrl}
ldap_search_base = ${BASE_DN}
ldap_default_bind_dn = ${SERVICE_DN}
ldap_default_authtok = ${SLAPD_PASSWORD}
ldap_tls_cacert = ${caFile}
ldap_tls_reqcert = demand
cache_credentials = true
enumerate = false
ldap_network_timeout = ${TIMEOUT_S}
ldap_opt_timeout = ${TIMEOUT_S}
ldap_search_timeout = ${TIMEOUT_S}
dns_resolver_timeout = ${TIMEOUT_S}
dns_resolver_op_timeout = ${TIMEOUT_S}
offline_timeout = ${OFFLINE_S}
offline_timeout_max = 0
offline_timeout_random_offset = 0
`;
}

export async function startSssd(folder: string, first: Slapd, backup: Slapd, user: string): Promise<Sssd> {
  const at = (name: string) => join(folder, name);
  for (const name of ['etc', 'log', 'state']) mkdirSync(at(name), { recursive: true });
  for (const [name, mode] of Object.entries(STATE_FOLDERS)) {
    mkdirSync(at(`state/${name}`), { recursive: true });
    chmodSync(at(`state/${name}`), mode);
  }
  writeFileSync(at('ca.pem'), first.ca + backup.ca);
  writeFileSync(at('nsswitch.conf'), NAMES);
  writeFileSync(at('etc/sssd.conf'), settings(first, backup, at('ca.pem')), { mode: 0o600 });
  const view = await createView({
    ...{ name: 'view-of-sssd', logs: folder },
    seen: {
      '/etc/nsswitch.conf': at('nsswitch.conf'),
      '/etc/pam.d': writePamFolder(at('pam.d'), 'sssd'),
      '/etc/sssd': at('etc'),
      '/var/lib/sss': at('state'),
      '/var/log/sssd': at('log'),
    },
  });
  let running: Running | undefined;
  /** Its monitor ends the processes that it has started. */
  const stop = async () => void (await running?.stop());
  const restart = async (known: string) => {
    await stop();
    const started = startProgram({
      ...{ name: 'sssd', logs: folder, inside: view },
      command: [systemProgram('sssd'), '--interactive', '--logger=files'],
    });
    running = started;
    const [program = 'nsenter', ...rest] = [...view.command, 'getent', '-s', 'sss', 'passwd', known];
    await waitFor('SSSD to know its users', async () => {
      if (!started.isRunning()) throw new Error(`SSSD did not start:\n${started.stderr()}`);
      return runProgram(program, ...rest).then(
        () => true as const,
        () => undefined,
      );
    });
  };
  const dispose = async () => {
    await stop();
    await view[Symbol.asyncDispose]();
  };
  try {
    await restart(user);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { view, restart, [Symbol.asyncDispose]: dispose };
}
