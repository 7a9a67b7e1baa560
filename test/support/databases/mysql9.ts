import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../programs.ts';
import { copyTemplate } from './data-template.ts';
import { AS_ROOT, type DatabaseOptions, type DatabaseServer, startDatabase } from './database-server.ts';
import { ensureMysql9, MYSQL9_ROOT, mysql9Command } from './mysql9-root.ts';

const mysqld = () => [...mysql9Command(), '--no-defaults', `--basedir=${join(MYSQL9_ROOT, 'usr')}`] as const;

/** Small files and buffers: they decide how long making, copying and recovering takes. */
const SMALL = ['--innodb-redo-log-capacity=8M', '--innodb-buffer-pool-size=32M', '--key-buffer-size=1M'];

/** Durability and row format are its defaults already. */
const OPTIONS = [
  '--gtid-mode=ON',
  '--enforce-gtid-consistency=ON',
  // A master that went silent is noticed, with the heartbeats of `replication.ts`.
  '--replica-net-timeout=5',
  '--mysqlx=OFF',
  '--secure-file-priv=',
];

/**
 * Starts MySQL 9, which is fetched when it is not there. Only root@localhost exists, without a password, and is reached by the
 * socket alone. Throws where MySQL 9 cannot be had.
 */
export async function startMysql9(options: DatabaseOptions): Promise<DatabaseServer> {
  return startDatabase(
    {
      kind: 'mysql',
      prepare: prepareMysql9,
      command: () => [...mysqld(), ...AS_ROOT, ...SMALL, ...OPTIONS],
      readOnlyOption: 'super_read_only',
      ownCaFile: 'ca.pem',
    },
    options,
  );
}

/** Fills a data folder, as if it had just been installed. */
export async function prepareMysql9(dataFolder: string): Promise<void> {
  if (!ensureMysql9()) throw new Error('MySQL 9 cannot be had here, see above');
  await copyTemplate(`mysql-${await installedVersion()}`, dataFolder, initialise);
}

let version: Promise<string> | undefined;
function installedVersion(): Promise<string> {
  version ??= runProgram(...mysqld(), '--version');
  return version.then(line => line.match(/Ver (\S+)/)?.[1] ?? line);
}

async function initialise(folder: string): Promise<void> {
  await runProgram(...mysqld(), ...AS_ROOT, ...SMALL, '--initialize-insecure', `--datadir=${folder}`);
  // The server's own id, which replication tells servers apart by: each makes its own at its first start.
  await rm(join(folder, 'auto.cnf'));
}
