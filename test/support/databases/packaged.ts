// A database as its Debian package leaves it on a host: it is what its files of configuration say, and nothing else.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { DocumentHost } from '../document-host.ts';
import type { Running } from '../processes.ts';
import { runProgram, startProgram } from '../programs.ts';
import { waitFor } from '../wait.ts';
import type { DatabaseKind } from './database-server.ts';
import { prepareMariadb } from './mariadb.ts';
import { prepareMysql9 } from './mysql9.ts';
import { MYSQL9_ROOT, mysql9Command } from './mysql9-root.ts';

const CONFIGURATION = '/etc/mysql/my.cnf';
const SOCKET = '/run/mysqld/mysqld.sock';
/** One that recovers, on a busy machine with two cores. */
const START_PATIENCE_MS = 60_000;

/** Weaker than the defaults of any of the databases, so that the document's own lines must mend it. */
const WEAK = ['sync-binlog = 0', 'innodb-flush-log-at-trx-commit = 0', 'key-buffer-size = 1M'];

const PACKAGES = {
  mariadb: {
    prepare: prepareMariadb,
    command: () => ['/usr/sbin/mariadbd'],
    // Beside the package's own.
    files: {
      '/etc/mysql/mariadb.conf.d/70-test.cnf': [
        '[mariadbd]',
        ...WEAK,
        'innodb-data-file-path = ibdata1:5M:autoextend',
      ].concat('innodb-log-file-size = 4M', 'innodb-buffer-pool-size = 16M', 'aria-pagecache-buffer-size = 1M'),
    },
  },
  mysql: {
    prepare: prepareMysql9,
    command: () => mysql9Command(),
    files: {
      [CONFIGURATION]: ['!includedir /etc/mysql/conf.d/', '!includedir /etc/mysql/mysql.conf.d/'],
      '/etc/mysql/mysql.conf.d/mysqld.cnf': ['[mysqld]', 'bind-address = 127.0.0.1', 'datadir = /var/lib/mysql']
        .concat(`socket = ${SOCKET}`, 'pid-file = /run/mysqld/mysqld.pid', `basedir = ${MYSQL9_ROOT}/usr`)
        .concat(WEAK, 'innodb-redo-log-capacity = 8M', 'innodb-buffer-pool-size = 32M', 'secure-file-priv = NULL'),
    },
  },
} as const;

export async function installPackage(kind: DatabaseKind, { root }: DocumentHost): Promise<void> {
  const { prepare, files } = PACKAGES[kind];
  if (kind === 'mysql') rmSync(join(root, 'etc/mysql'), { recursive: true, force: true });
  for (const folder of ['/etc/mysql/conf.d', `/etc/mysql/${kind}.conf.d`, '/run/mysqld']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const [path, lines] of Object.entries(files)) writeFileSync(join(root, path), `${lines.join('\n')}\n`);
  const data = join(root, 'var/lib/mysql');
  await prepare(data);
  await runProgram('chown', '-R', 'mysql:', data, join(root, 'run/mysqld'));
}

/** As its service does. Waits until it answers. */
export async function startPackaged(kind: DatabaseKind, host: DocumentHost, logs: string): Promise<Running> {
  const asMysql = ['setpriv', '--reuid=mysql', '--regid=mysql', '--clear-groups', '--pdeathsig=KILL', '--'] as const;
  const started = startProgram({
    name: `database-${host.name}`,
    command: [...asMysql, ...PACKAGES[kind].command(), `--defaults-file=${CONFIGURATION}`],
    ...{ logs, inside: host },
  });
  await waitFor(
    `${kind} on ${host.name} to answer`,
    async () => {
      if (!started.isRunning()) throw new Error(`${kind} did not start:\n${started.stderr()}`);
      return (await answers(join(host.root, SOCKET))) || undefined;
    },
    START_PATIENCE_MS,
    started.stderr,
  );
  return started;
}

const answers = (path: string) =>
  new Promise<boolean>(resolve => {
    const socket = connect(path);
    const end = (does: boolean) => {
      socket.destroy();
      resolve(does);
    };
    socket.once('data', () => end(true)).once('error', () => end(false));
  });
