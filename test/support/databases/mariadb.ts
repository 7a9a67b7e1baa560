import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../programs.ts';
import { copyTemplate } from './data-template.ts';
import { AS_ROOT, type DatabaseOptions, type DatabaseServer, startDatabase } from './database-server.ts';

/** Small files and buffers: they decide how long making, copying and recovering takes. */
const SMALL = [
  '--innodb-data-file-path=ibdata1:5M:autoextend',
  '--innodb-autoextend-increment=1',
  '--innodb-log-file-size=4M',
  '--innodb-buffer-pool-size=16M',
  '--aria-pagecache-buffer-size=1M',
  '--key-buffer-size=1M',
] as const;

/** What `docs/operations.md` asks of an administrator: nothing acknowledged is lost, and a slave cannot drift. */
const DURABLE = [
  '--log-bin=binlog',
  '--log-slave-updates',
  '--binlog-format=ROW',
  '--sync-binlog=1',
  '--innodb-flush-log-at-trx-commit=1',
  '--gtid-strict-mode=ON',
  // A master that went silent is noticed, with the heartbeats of `replication.ts`.
  '--slave-net-timeout=5',
] as const;

/** Starts the machine's MariaDB. Only root@localhost exists, without a password, and is reached by the socket alone. */
export function startMariadb(options: DatabaseOptions): Promise<DatabaseServer> {
  return startDatabase(
    {
      kind: 'mariadb',
      prepare: prepareMariadb,
      command: () => ['mariadbd', '--no-defaults', ...AS_ROOT, ...SMALL, ...DURABLE, '--character-set-server=utf8mb4'],
      readOnlyOption: 'read_only',
    },
    options,
  );
}

/** Fills a data folder, as if it had just been installed. */
export async function prepareMariadb(dataFolder: string): Promise<void> {
  await copyTemplate(`mariadb-${await installedVersion()}`, dataFolder, install);
}

let version: Promise<string> | undefined;
function installedVersion(): Promise<string> {
  version ??= runProgram('mariadbd', '--no-defaults', '--version');
  return version.then(line => line.match(/Ver (\S+)/)?.[1] ?? line);
}

async function install(folder: string): Promise<void> {
  const socketOnly = join(folder, 'socket-only.sql');
  await writeFile(socketOnly, "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';\n");
  const accounts = ['--auth-root-authentication-method=normal', '--skip-test-db', `--extra-file=${socketOnly}`];
  await runProgram('mariadb-install-db', '--no-defaults', ...AS_ROOT, ...SMALL, `--datadir=${folder}`, ...accounts);
  await rm(socketOnly);
}
