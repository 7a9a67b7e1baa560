import { chmodSync, cpSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect as dial } from 'node:net';
import { join } from 'node:path';
import { Attribute, Change, Client } from 'ldapts';
import { createDatabaseTls } from '../databases/tls.ts';
import type { Running } from '../processes.ts';
import { runProgram, startProgram, systemProgram } from '../programs.ts';
import { waitFor } from '../wait.ts';
import { USER_PASSWORD } from './hospital.ts';

export const AD_BASE = 'DC=lab,DC=test';
const USERS = `CN=Users,${AD_BASE}`;
export const ADMIN = `CN=Administrator,${USERS}`;
export const ADMIN_PASSWORD = 'Admin-of-the-lab-1';
export const SERVICE = 'thinman@lab.test';
export const SERVICE_PASSWORD = 'Service-of-the-lab-1';

/** userAccountControl: a normal account, whose password never expires or does. */
export const NEVER_EXPIRES = 66_048;
export const EXPIRES = 512;
export const DISABLED = 66_050;

/** A real Active Directory domain controller (Samba) in a network namespace of its own. */
export type AdController = AsyncDisposable & {
  /** LDAPS, over a wire that a test may cut. */
  readonly url: string;
  /** LDAP: with StartTLS alone. */
  readonly plainUrl: string;
  readonly ca: string;
  process(): Running;
  start(): Promise<void>;
  /** As the domain's administrator. */
  asAdministrator<T>(work: (client: Client) => Promise<T>): Promise<T>;
  addUser(name: string, more?: Readonly<Record<string, string>>): Promise<void>;
  addGroup(name: string, members: readonly string[]): Promise<void>;
  set(dn: string, attributes: Readonly<Record<string, string | Buffer>>): Promise<void>;
  attribute(user: string, name: string): Promise<string>;
  dnOf(name: string): string;
  /** Last set years ago: with a `maxPwdAge` it has expired. No protocol lets anybody say that. */
  makePasswordOld(name: string): Promise<void>;
  /** By wrong passwords, as the domain's policy says. */
  lockOut(name: string): Promise<void>;
};

/** 2019, in 100 ns since 1601. */
const YEARS_AGO = '132000000000000000';
const RUN_FOLDERS = ['pid directory', 'ncalrpc dir', 'winbindd socket directory'] as const;
const START_PATIENCE_MS = 60_000;

/** `copyOf`: folder of a controller that is stopped; this one has the same domain, with the same users and ids, and counts by itself. */
export async function startAdController(
  folder: string,
  { copyOf }: { readonly copyOf?: string } = {},
): Promise<AdController> {
  const target = join(folder, 'domain');
  if (copyOf === undefined) await provision(target);
  else copyDomain(join(copyOf, 'domain'), target);
  ownRunFolder(target, join(folder, 'run'));
  const tls = await createDatabaseTls(join(folder, 'tls'));
  chmodSync(tls.serverKeyFile, 0o600);
  const wires: AsyncDisposable[] = [];
  let running: Running | undefined;
  const files = { ldap: join(folder, 'ldap.sock'), ldaps: join(folder, 'ldaps.sock') };
  const bridges: Running[] = [];

  async function start(): Promise<void> {
    for (const bridge of bridges.splice(0)) await bridge.kill();
    const options = {
      'server services': 'ldap,cldap,kdc,winbindd',
      'tls enabled': 'yes',
      'tls keyfile': tls.serverKeyFile,
      'tls certfile': tls.serverCertificateFile,
      'tls cafile': tls.caFile,
    };
    const given = Object.entries(options).map(([name, value]) => `--option=${name}=${value}`);
    const samba = [
      '-F',
      '-M',
      'single',
      '--no-process-group',
      '--debug-stdout',
      '-s',
      join(target, 'etc/smb.conf'),
      ...given,
    ];
    running = startProgram({
      name: 'samba',
      command: [
        'unshare',
        '--net',
        '--',
        'sh',
        '-c',
        'ip link set lo up && exec "$@"',
        'sh',
        systemProgram('samba'),
        ...samba,
      ],
      logs: folder,
    });
    const { pid } = running;
    const inside = ['nsenter', `--net=/proc/${pid}/ns/net`, '--'] as const;
    await waitFor(
      'the domain controller to listen',
      async () => {
        if (running?.isRunning() !== true) throw new Error(`samba did not start:\n${running?.stderr()}`);
        const listens = runProgram(...inside, 'sh', '-c', 'ss -Hltn "sport = :636" | grep -q .');
        return listens.then(
          () => true as const,
          () => undefined,
        );
      },
      START_PATIENCE_MS,
    );
    for (const [name, port] of [
      ['ldap', 389],
      ['ldaps', 636],
    ] as const) {
      const command = [
        ...inside,
        'socat',
        `UNIX-LISTEN:${files[name]},fork,unlink-early`,
        `TCP:127.0.0.1:${port}`,
      ] as const;
      bridges.push(startProgram({ name: `bridge-${name}`, command: [...command], logs: folder }));
    }
    await waitFor('the domain controller to answer', () =>
      controller.asAdministrator(async () => true as const).catch(() => undefined),
    );
  }

  async function wireTo(path: string): Promise<number> {
    const sockets = new Set<{ destroy(): void }>();
    const server = createServer(near => {
      const far = dial(path);
      const end = () => {
        near.destroy();
        far.destroy();
        sockets.delete(near);
      };
      sockets.add(near);
      for (const socket of [near, far]) socket.on('error', end).on('close', end);
      near.pipe(far).pipe(near);
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    wires.push({
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a wire has no port');
    return address.port;
  }

  const [plainPort, port] = [await wireTo(files.ldap), await wireTo(files.ldaps)];
  const url = `ldaps://127.0.0.1:${port}`;
  const ca = readFileSync(tls.caFile, 'utf8');
  const dnOf = (name: string) => `CN=${name},${USERS}`;

  const controller: AdController = {
    ...{ url, plainUrl: `ldap://127.0.0.1:${plainPort}`, ca, start, dnOf },
    process() {
      if (running === undefined) throw new Error('the domain controller was not started');
      return running;
    },
    async asAdministrator(work) {
      const client = new Client({ url, tlsOptions: { ca }, connectTimeout: 5_000, timeout: 10_000 });
      try {
        await client.bind(ADMIN, ADMIN_PASSWORD);
        return await work(client);
      } finally {
        await client.unbind();
      }
    },
    addUser: (name, more = {}) =>
      controller.asAdministrator(async client => {
        const principal = {
          sAMAccountName: name,
          userPrincipalName: `${name}@lab.test`,
          displayName: `${name} of the lab`,
        };
        const { userAccountControl = String(NEVER_EXPIRES), password = USER_PASSWORD, ...others } = more;
        await client.add(dnOf(name), [
          ...Object.entries({ objectClass: 'user', ...principal, ...others, userAccountControl: '546' }).map(
            ([type, value]) => new Attribute({ type, values: [value] }),
          ),
        ]);
        await client.modify(dnOf(name), [
          change('unicodePwd', Buffer.from(`"${password}"`, 'utf16le')),
          change('userAccountControl', userAccountControl),
        ]);
      }),
    addGroup: (name, members) =>
      controller.asAdministrator(client =>
        client.add(dnOf(name), {
          objectClass: 'group',
          sAMAccountName: name,
          ...(members.length > 0 && { member: members.map(dnOf) }),
        }),
      ),
    set: (dn, attributes) =>
      controller.asAdministrator(client =>
        client.modify(
          dn,
          Object.entries(attributes).map(([name, value]) => change(name, value)),
        ),
      ),
    attribute: (user, name) =>
      controller.asAdministrator(async client => {
        const { searchEntries } = await client.search(dnOf(user), { scope: 'base', attributes: [name] });
        return String(searchEntries[0]?.[name] ?? '');
      }),
    async lockOut(name) {
      const threshold = 10;
      for (let at = 0; at < threshold && (await controller.attribute(name, 'lockoutTime')) <= '0'; at += 1) {
        const client = new Client({ url, tlsOptions: { ca }, timeout: 10_000 });
        await client.bind(dnOf(name), 'a-wrong-password').catch(() => {});
        await client.unbind();
      }
    },
    async makePasswordOld(name) {
      const file = join(folder, 'old.ldif');
      writeFileSync(file, `dn: ${dnOf(name)}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: ${YEARS_AGO}\n`);
      await runProgram('ldbmodify', '-H', join(target, 'private/sam.ldb.d/DC=LAB,DC=TEST.ldb'), file);
    },
    async [Symbol.asyncDispose]() {
      for (const bridge of bridges) await bridge.kill();
      await running?.kill();
      for (const wire of wires) await wire[Symbol.asyncDispose]();
    },
  };
  await start();
  if (copyOf === undefined) await controller.addUser('thinman', { password: SERVICE_PASSWORD });
  return controller;
}

async function provision(target: string): Promise<void> {
  mkdirSync(target, { recursive: true });
  await runProgram(
    'samba-tool',
    ...[
      'domain',
      'provision',
      '--use-rfc2307',
      '--realm=LAB.TEST',
      '--domain=LAB',
      '--server-role=dc',
      '--dns-backend=NONE',
    ],
    ...[`--adminpass=${ADMIN_PASSWORD}`, `--targetdir=${target}`],
    ...['--option=interfaces=lo', '--option=bind interfaces only=yes'],
  );
}

/** In the file, as the daemons that samba starts are told no options. By default a second controller takes the first for its own. */
function ownRunFolder(target: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const configuration = join(target, 'etc/smb.conf');
  const lines = RUN_FOLDERS.map(name => `\t${name} = ${folder}\n`).join('');
  const [head = '', rest = ''] = readFileSync(configuration, 'utf8')
    .replaceAll(/^\t(?:pid directory|ncalrpc dir|winbindd socket directory) = .*\n/gm, '')
    .split('[global]\n');
  writeFileSync(configuration, `${head}[global]\n${lines}${rest}`);
}

/** Where its files lie stands in its configuration alone. */
function copyDomain(from: string, to: string): void {
  cpSync(from, to, { recursive: true, preserveTimestamps: true, filter: file => !lstatSync(file).isSocket() });
  const configuration = join(to, 'etc/smb.conf');
  writeFileSync(configuration, readFileSync(configuration, 'utf8').replaceAll(from, to));
}

function change(type: string, value: string | Buffer): Change {
  return new Change({
    operation: 'replace',
    modification: new Attribute({ type, values: [value] as string[] | Buffer[] }),
  });
}
