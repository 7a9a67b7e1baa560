import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDatabaseTls } from '../databases/tls.ts';
import { freePort } from '../loopback.ts';
import type { Running } from '../processes.ts';
import { runProgram, startProgram, systemProgram } from '../programs.ts';
import { waitFor } from '../wait.ts';
import { canConnect } from './can-connect.ts';
import { ADMIN_DN, BASE_DN, hospitalLdif, SERVICE_DN, SLAPD_PASSWORD } from './hospital.ts';

/** A real OpenLDAP server in a folder of its own: `docs/directories.md` as an administrator would have it. */
export type Slapd = AsyncDisposable & {
  readonly url: string;
  readonly ldapsUrl: string;
  /** The CA of its certificate, PEM. */
  readonly ca: string;
  readonly port: number;
  /** Binds that came so far with a password, under a name that has this in it. */
  binds(name: string): number;
  /** Changes it as its administrator, by LDIF. */
  modify(ldif: string): Promise<void>;
  process(): Running;
  /** Again, with the same data, on the same ports. */
  start(): Promise<void>;
};

/** A host of `network/network.ts`; default: this machine. */
type SlapdHost = { readonly address: string; readonly command: readonly string[] };

export async function startSlapd(
  folder: string,
  options: { readonly users?: number; readonly name?: string; readonly host?: SlapdHost } = {},
): Promise<Slapd> {
  const { users = 20, name = 'slapd', host } = options;
  const { address } = host ?? { address: '127.0.0.1' };
  const data = join(folder, 'data');
  mkdirSync(data, { recursive: true });
  const tls = await createDatabaseTls(join(folder, 'tls'), address);
  const configuration = join(folder, 'slapd.conf');
  writeFileSync(configuration, configurationOf(folder, tls));
  const ldif = join(folder, 'hospital.ldif');
  writeFileSync(ldif, hospitalLdif(users));
  await runProgram('slapadd', '-q', '-f', configuration, '-l', ldif);
  const [port, ldapsPort] = [await freePort(), await freePort()];
  const urls = { ldap: `ldap://${address}:${port}`, ldaps: `ldaps://${address}:${ldapsPort}` };
  let changes = 0;
  let running: Running | undefined;
  /** What processes before the present one said. */
  let said = '';

  async function start(): Promise<void> {
    if (running !== undefined) said += running.stderr();
    running = startProgram({
      name,
      command: [systemProgram('slapd'), '-f', configuration, '-h', `${urls.ldap} ${urls.ldaps}`, '-d', 'stats'],
      logs: folder,
      ...(host === undefined ? {} : { inside: host }),
    });
    const started = running;
    await waitFor('slapd to listen', async () => {
      if (!started.isRunning()) throw new Error(`slapd did not start:\n${started.stderr()}`);
      return (await canConnect(port, address)) || undefined;
    });
  }
  await start();

  return {
    url: urls.ldap,
    ldapsUrl: urls.ldaps,
    ca: await readFile(tls.caFile, 'utf8'),
    port,
    binds(who) {
      const lines = `${said}${running?.stderr() ?? ''}`.split('\n');
      return lines.filter(line => line.includes(' BIND dn="') && line.includes('method=128') && line.includes(who))
        .length;
    },
    async modify(text) {
      changes += 1;
      const file = join(folder, `change-${changes}.ldif`);
      writeFileSync(file, text);
      await runProgram(
        'ldapmodify',
        '-x',
        '-H',
        urls.ldap,
        '-D',
        ADMIN_DN,
        '-w',
        SLAPD_PASSWORD,
        '-e',
        'relax',
        '-f',
        file,
      );
    },
    process() {
      if (running === undefined) throw new Error('slapd was not started');
      return running;
    },
    start,
    [Symbol.asyncDispose]: async () => {
      await running?.kill();
    },
  };
}

type Tls = Awaited<ReturnType<typeof createDatabaseTls>>;

function configurationOf(folder: string, tls: Tls): string {
  const schemas = ['core', 'cosine', 'inetorgperson', 'nis'].map(schema => `include /etc/ldap/schema/${schema}.schema`);
  return [
    ...schemas,
    `pidfile ${join(folder, 'slapd.pid')}`,
    'modulepath /usr/lib/ldap',
    'moduleload back_mdb',
    'moduleload ppolicy',
    `TLSCACertificateFile ${tls.caFile}`,
    `TLSCertificateFile ${tls.serverCertificateFile}`,
    `TLSCertificateKeyFile ${tls.serverKeyFile}`,
    'threads 4',
    'sizelimit 500',
    'database mdb',
    `suffix "${BASE_DN}"`,
    `rootdn "${ADMIN_DN}"`,
    `rootpw ${SLAPD_PASSWORD}`,
    `directory ${join(folder, 'data')}`,
    'maxsize 268435456',
    'dbnosync',
    ...['objectClass', 'uid', 'member', 'entryUUID', 'cn'].map(attribute => `index ${attribute} eq`),
    'overlay ppolicy',
    `ppolicy_default "cn=standard,ou=policies,${BASE_DN}"`,
    'ppolicy_use_lockout',
    'access to attrs=userPassword by self write by anonymous auth by * none',
    `access to dn.subtree="ou=groups,${BASE_DN}" by users read by * none`,
    `access to dn.base="${BASE_DN}" by users search by * none`,
    `access to * by dn.exact="${SERVICE_DN}" read by self read by anonymous auth by * none`,
    '',
  ].join('\n');
}
