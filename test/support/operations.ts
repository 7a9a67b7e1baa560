// Runs the commands of docs/operations.md as they stand there, on hosts that are network namespaces.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareVersions } from '@thinman/protocol';
import type { DatabaseKind, DatabaseServer } from './databases/database-server.ts';
import { startDatabaseOf } from './databases/replication.ts';
import { type Block, blocksOf } from './document-blocks.ts';
import { createNetwork, type Host } from './network/network.ts';
import type { Running } from './processes.ts';
import { feedProgram, SYSTEM_PATH, startProgram } from './programs.ts';
import { recoveryCodeIn } from './recovery.ts';
import { createScratch } from './scratch.ts';
import { waitFor } from './wait.ts';

const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'operations.md');
const COMMANDS = join(import.meta.dirname, '..', '..', 'node_modules', '.bin');
/** `ip netns exec` puts a file from here over that of /etc (ip-netns(8)). */
const ETC_NETNS = '/etc/netns';
const DATABASE_PORT = 3306;
/** Weaker than the defaults of any of the databases, so that the document's own lines must mend it. */
const WEAK = ['--sync-binlog=0', '--innodb-flush-log-at-trx-commit=0'];

export type OperatedServer = {
  readonly state: string;
  readonly role: string;
  readonly epoch: number;
  readonly generation: number;
};

export type Follow = {
  /** The steps (`### 2. …`) of the section that are followed; all of them where left out. */
  readonly steps?: readonly [first: number, last: number];
  /** Only on this host. */
  readonly on?: string;
};

/** Hosts on which commands of the document are run as they stand there. */
export type DocumentHosts = {
  /** Gives what `thinman-server status` said of each server that the section looks at. */
  follow(title: string, which?: Follow): Promise<readonly OperatedServer[]>;
  /** Power, disk and all: its processes are gone, and so is what they wrote. */
  lose(host: string): Promise<void>;
};

/** Sets up what the section says. Gives what `thinman-server status` says of each server at its end. */
export async function setUpByDocument(title: 'HALF' | 'FULL', kind: DatabaseKind): Promise<readonly OperatedServer[]> {
  return onDocumentHosts(title === 'HALF' ? ['a', 'b', 'c'] : ['a', 'b'], kind, hosts => hosts.follow(title));
}

export async function onDocumentHosts<T>(
  hosts: readonly string[],
  kind: DatabaseKind,
  work: (hosts: DocumentHosts) => Promise<T>,
): Promise<T> {
  await using scratch = createScratch('thinman-operations-');
  await using network = await createNetwork(hosts);
  await using running = new AsyncDisposableStack();
  nameHosts(hosts.map(network.host), running);
  const databases = new Map<string, DatabaseServer>();
  const servers = new Map<string, Running>();
  let token = '';
  let recoveryCode = '';

  /** The paths of a host, in its own folder; what comes of certificates is the same on all of them. */
  const placed = (text: string, host: string) =>
    text
      .replaceAll('/var/lib/thinman', join(scratch.folder, host, 'lib'))
      // Where backups are kept is no host of the site.
      .replaceAll('/var/backups/thinman', scratch.folder)
      .replaceAll('/etc/thinman/tls', join(scratch.folder, 'tls'))
      .replaceAll('/etc/thinman', join(scratch.folder, host, 'etc'))
      .replace(/\bTOKEN\b/, token)
      .replace(/\bRECOVERY-CODE\b/, recoveryCode);

  const startDatabase = async (host: string, block: Block) => {
    const lines = placed(block.text, host)
      .split('\n')
      .filter(line => line.includes('=') || /^[a-z]/.test(line))
      .map(line => `--${line.replace(/ = /, '=')}`);
    const server = running.use(
      await startDatabaseOf(kind, {
        ...{ folder: join(scratch.folder, host, 'database'), port: DATABASE_PORT, bindAddress: '0.0.0.0' },
        inside: network.host(host),
        options: [...WEAK, ...lines],
      }),
    );
    if (lines.some(line => /read-only=ON/.test(line))) await server.setReadOnly(true);
    databases.set(host, server);
  };
  const startServer = async (host: string, command: string) => {
    const started = startProgram({
      name: `server-${host}`,
      command: ['bash', '-euc', `exec ${command}`],
      logs: scratch.folder,
      inside: network.host(host),
      env: { PATH: `${COMMANDS}:${SYSTEM_PATH}` },
    });
    running.defer(async () => void (await started.kill()));
    servers.set(host, started);
    await started.waitForLine(/^READY /);
  };
  const inShell = (host: string, text: string) => {
    const env = `export PATH=${COMMANDS}:$PATH HOME=${scratch.folder}\n`;
    return feedProgram(env + text, ...(network.host(host).command as [string]), 'bash', '-eu');
  };

  const follow: DocumentHosts['follow'] = async (title, { steps, on } = {}) => {
    const statuses: OperatedServer[] = [];
    for (const block of blocksOf(DOCUMENT, title)) {
      const kinds = block.words.filter(word => word === 'mariadb' || word === 'mysql');
      if (kinds.length > 0 && !kinds.includes(kind)) continue;
      if (steps !== undefined && (block.step < steps[0] || block.step > steps[1])) continue;
      for (const host of block.words.filter(word => hosts.includes(word) && (on === undefined || word === on))) {
        const text = placed(block.text, host);
        if (block.language === 'ini') await startDatabase(host, block);
        else if (block.language === 'sql') await databases.get(host)?.rootScript(text);
        else if (text.startsWith('thinman-server start')) await startServer(host, text);
        else if (text.startsWith('thinman-server status')) statuses.push(await settled(host, text, statuses.at(-1)));
        else {
          const said = await inShell(host, text);
          if (/ token server /.test(text)) token = said.trim();
          if (/^thinman-server init /m.test(text)) recoveryCode = recoveryCodeIn(said);
        }
      }
    }
    return statuses;
  };
  /** A server that has just got its data says so a moment later. `others`: where another one stands already. */
  const settled = (host: string, command: string, others: OperatedServer | undefined) =>
    waitFor(`${host} to serve`, async () => {
      const status = JSON.parse(await inShell(host, `${command.trim()} --json`)) as OperatedServer;
      const isThere = others === undefined || compareVersions(status, others) >= 0;
      return status.state === 'serving' && isThere ? status : undefined;
    });

  return await work({
    follow,
    async lose(host) {
      await servers.get(host)?.kill();
      await databases.get(host)?.[Symbol.asyncDispose]();
      rmSync(join(scratch.folder, host), { recursive: true });
    },
  });
}

/** `a.example` is the host `a`, for all of them. */
function nameHosts(hosts: readonly Host[], running: AsyncDisposableStack): void {
  const lines = ['127.0.0.1 localhost', ...hosts.map(({ name, address }) => `${address} ${name}.example`)];
  for (const { command } of hosts) {
    const folder = join(ETC_NETNS, command.at(-1) ?? '');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'hosts'), `${lines.join('\n')}\n`);
    running.defer(async () => rmSync(folder, { recursive: true }));
  }
}
