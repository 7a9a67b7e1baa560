// Runs the commands of docs/operations.md as they stand there, on hosts of their own.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareVersions } from '@thinman/protocol';
import type { DatabaseKind } from './databases/database-server.ts';
import { installPackage, startPackaged } from './databases/packaged.ts';
import { type Block, blocksOf } from './document-blocks.ts';
import { type DocumentHost, documentHost } from './document-host.ts';
import { createNetwork } from './network/network.ts';
import type { Running } from './processes.ts';
import { feedProgram, startProgram } from './programs.ts';
import { recoveryCodeIn } from './recovery.ts';
import { createScratch } from './scratch.ts';
import { waitFor } from './wait.ts';

const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'operations.md');
/** There is no systemd on the hosts: these lines of a block are done here. */
const SYSTEMCTL = /^systemctl (?:restart|enable --now) (mariadb|mysql|thinman-server)$/m;
const UNIT = 'etc/systemd/system/thinman-server.service';

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
  /** Read with a and b exchanged. */
  readonly exchanged?: true;
};

/** Hosts on which commands of the document are run as they stand there. */
export type DocumentHosts = {
  /** Gives what `thinman-server status` said of each server that the section looks at. */
  follow(title: string, which?: Follow): Promise<readonly OperatedServer[]>;
  /** Power off: what it has written stays. */
  crash(host: string): Promise<void>;
  /** Power, disk and all: an empty one is in its place. */
  lose(host: string): Promise<void>;
};

export async function onDocumentHosts<T>(
  names: readonly string[],
  kind: DatabaseKind,
  work: (hosts: DocumentHosts) => Promise<T>,
): Promise<T> {
  await using scratch = createScratch('thinman-operations-');
  await using network = await createNetwork(names);
  await using running = new AsyncDisposableStack();
  const folder = join(scratch.folder, 'hosts');
  mkdirSync(folder);
  const addresses = names.map(name => `${network.host(name).address} ${name}.example`);
  const etcHosts = `${['127.0.0.1 localhost', ...addresses].join('\n')}\n`;
  const hosts = new Map(names.map(name => [name, documentHost(network.host(name), folder, kind, etcHosts)]));
  const processes = new Map<string, { server?: Running; database?: Running }>();
  let token = '';
  let recoveryCode = '';

  const known = (name: string) => {
    const host = hosts.get(name);
    if (host === undefined) throw new Error(`the document has no host ${name}`);
    return host;
  };
  const of = (name: string) => {
    const found = processes.get(name) ?? {};
    processes.set(name, found);
    return found;
  };
  const install = async (name: string) => {
    await known(name).install();
    await installPackage(kind, known(name));
  };
  const keep = (started: Running) => {
    running.defer(async () => void (await started.kill()));
    return started;
  };

  const restartDatabase = async (host: DocumentHost) => {
    await of(host.name).database?.stop();
    of(host.name).database = keep(await startPackaged(kind, host, scratch.folder));
  };
  const startServer = async (host: DocumentHost, command: readonly [string, ...string[]]) => {
    const started = startProgram({ name: `server-${host.name}`, command, logs: scratch.folder, inside: host });
    of(host.name).server = keep(started);
    await started.waitForLine(/^READY /);
  };
  const startService = async (host: DocumentHost) => {
    await of(host.name).server?.stop();
    await startServer(host, serviceCommand(readFileSync(join(host.root, UNIT), 'utf8')));
  };
  const feed = (host: DocumentHost, input: string, ...command: readonly string[]) =>
    feedProgram(input, ...(host.command as [string]), ...command);
  // A login shell: it finds what the document has put on the path.
  const inShell = (host: DocumentHost, text: string) =>
    feed(host, `set -eu\nexport HOME=/root\ncd\n${text}`, 'bash', '-l');
  const runShell = async (host: DocumentHost, text: string) => {
    const said: string[] = [];
    // Between the parts stand the names of services.
    for (const [i, part] of text.split(SYSTEMCTL).entries()) {
      if (i % 2 === 0) said.push(part.trim() === '' ? '' : await inShell(host, part));
      else if (part === 'thinman-server') await startService(host);
      else await restartDatabase(host);
    }
    return said.join('');
  };

  const run = async (host: DocumentHost, { language, text: written }: Block, last: OperatedServer | undefined) => {
    const text = written.replace(/\bTOKEN\b/, token).replace(/\bRECOVERY-CODE\b/, recoveryCode);
    if (language === 'sql') await feed(host, text, kind);
    else if (text.startsWith('thinman-server start')) await startServer(host, ['bash', '-lc', `exec ${text}`]);
    else if (text.startsWith('thinman-server status')) return await settled(host, text, last);
    else {
      const said = await runShell(host, text);
      if (/ token server /.test(text)) token = said.trim();
      if (/^thinman-server init /m.test(text)) recoveryCode = recoveryCodeIn(said);
    }
    return undefined;
  };
  const follow: DocumentHosts['follow'] = async (title, { steps, on, exchanged } = {}) => {
    const statuses: OperatedServer[] = [];
    const blocks = blocksOf(DOCUMENT, title).map(block => (exchanged ? exchange(block) : block));
    if (blocks.length === 0) throw new Error(`the document has nothing to run under ${title}`);
    for (const block of blocks) {
      const kinds = block.words.filter(word => word === 'mariadb' || word === 'mysql');
      if (kinds.length > 0 && !kinds.includes(kind)) continue;
      if (steps !== undefined && (block.step < steps[0] || block.step > steps[1])) continue;
      for (const name of block.words.filter(word => names.includes(word) && (on === undefined || word === on))) {
        const status = await run(known(name), block, statuses.at(-1));
        if (status !== undefined) statuses.push(status);
      }
    }
    return statuses;
  };
  /** A server that has just got its data says so a moment later. `others`: where another one stands already. */
  const settled = (host: DocumentHost, command: string, others: OperatedServer | undefined) =>
    waitFor(`${host.name} to serve`, async () => {
      const status = JSON.parse(await inShell(host, `${command.trim()} --json`)) as OperatedServer;
      const isThere = others === undefined || compareVersions(status, others) >= 0;
      return status.state === 'serving' && isThere ? status : undefined;
    });

  const crash = async (name: string) => {
    const { server, database } = of(name);
    await Promise.all([server?.kill(), database?.kill()]);
    processes.delete(name);
  };
  await Promise.all(names.map(install));
  return await work({
    follow,
    crash,
    async lose(name) {
      await crash(name);
      await install(name);
    },
  });
}

/** What systemd makes of a unit, as far as it decides whether the program can do its work. */
function serviceCommand(unit: string): readonly [string, ...string[]] {
  const [user, environment, command] = ['User', 'Environment', 'ExecStart'].map(key => {
    const [, value] = new RegExp(`^${key}=(.+)$`, 'm').exec(unit) ?? [];
    if (value === undefined) throw new Error(`the unit has no ${key}`);
    return value;
  });
  const as = `--reuid=${user} --regid=${user} --clear-groups --pdeathsig=KILL --reset-env`;
  return ['bash', '-c', `umask 077 && exec setpriv ${as} env ${environment} ${command}`];
}

const OTHER: Readonly<Record<string, string>> = { a: 'b', b: 'a' };
const exchange = ({ words, text, ...rest }: Block): Block => ({
  ...rest,
  words: words.map(word => OTHER[word] ?? word),
  text: text.replaceAll(/\b[ab](?=\.example\b)|(?<=--name )[ab]\b/g, name => OTHER[name] ?? name),
});
