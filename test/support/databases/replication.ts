// Replication by GTID between two servers of one kind, as FULL redundancy has it.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { waitFor } from '../wait.ts';
import { type Account, createAccount } from './accounts.ts';
import type { DatabaseKind, DatabaseOptions, DatabaseServer } from './database-server.ts';
import { startMariadb } from './mariadb.ts';
import { startMysql9 } from './mysql9.ts';

/** Both halves: `receiver` fetches from the master, `applier` writes what was fetched. */
export type ReplicationPart = 'receiver' | 'applier';

export type ReplicationStatus = {
  readonly receiver: boolean;
  readonly applier: boolean;
  /** What stopped either, in the database's words; empty when nothing did. */
  readonly error: string;
};

/** One slave as it follows its master. */
export type Replication = {
  status(): Promise<ReplicationStatus>;
  /** The slave lives on and answers, and nothing new arrives. A restart of the slave mends it too. Default: the applier. */
  breakReplication(part?: ReplicationPart): Promise<void>;
  mendReplication(): Promise<void>;
  /** From now on the slave applies everything this much later. */
  delayReplication(delaySeconds: number): Promise<void>;
  /** Until the slave has all that the master has now. */
  waitUntilAligned(): Promise<void>;
  /** The slave follows nobody any more and can be written to. Its former master may follow it: `replicate`. */
  promoteSlave(): Promise<void>;
};

export type DatabasePair = AsyncDisposable &
  Replication & { readonly kind: DatabaseKind; readonly master: DatabaseServer; readonly slave: DatabaseServer };

export type PairOptions = {
  /** The two are made in folders `master` and `slave` of it. */
  readonly folder: string;
  readonly master?: Omit<DatabaseOptions, 'folder' | 'serverId'>;
  readonly slave?: Omit<DatabaseOptions, 'folder' | 'serverId'>;
};

export const startDatabaseOf = (kind: DatabaseKind, options: DatabaseOptions): Promise<DatabaseServer> =>
  kind === 'mysql' ? startMysql9(options) : startMariadb(options);

/** Starts a master and a slave that follows it and is read-only. */
export async function startPair(kind: DatabaseKind, options: PairOptions): Promise<DatabasePair> {
  await using unfinished = new AsyncDisposableStack();
  const start = async (name: 'master' | 'slave', serverId: number) => {
    const server = await startDatabaseOf(kind, { ...options[name], folder: join(options.folder, name), serverId });
    return unfinished.use(server);
  };
  const [master, slave] = await Promise.all([start('master', 1), start('slave', 2)]);
  const replication = await replicate(master, slave);
  const owned = unfinished.move();
  return { kind, master, slave, ...replication, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A master that went silent is noticed after `--slave-net-timeout` (5 s), and looked for again every second, for ever. */
const HEARTBEAT_SECONDS = 1;
const RETRY_SECONDS = 1;

/**
 * Makes `slave` follow `master` and read-only, and waits until it has all that the master has. It has to be fresh, or to hold
 * nothing that the master lacks, as a former master that came back.
 */
export async function replicate(master: DatabaseServer, slave: DatabaseServer): Promise<Replication> {
  const { kind } = master;
  const words = WORDS[kind];
  const account = { user: `follows_${randomBytes(4).toString('hex')}`, password: randomBytes(16).toString('hex') };
  await createAccount(master, account, 'REPLICATION SLAVE ON *.*');
  await slave.setReadOnly(true);
  await slave.rootQuery(words.follow(master, account));
  await slave.rootQuery(`START ${words.slave}`);

  const status = async (): Promise<ReplicationStatus> => {
    const [row = {}] = await slave.rootQuery(`SHOW ${words.slave} STATUS`);
    const column = (name: string) => String(row[name] ?? '');
    return {
      receiver: column(`${words.column}_IO_Running`) === 'Yes',
      applier: column(`${words.column}_SQL_Running`) === 'Yes',
      error: [column('Last_IO_Error'), column('Last_SQL_Error')].filter(text => text !== '').join('; '),
    };
  };
  const mendReplication = async () => {
    await slave.rootQuery(`START ${words.slave}`);
    await waitFor(
      'replication to run',
      async () => {
        const { receiver, applier } = await status();
        return (receiver && applier) || undefined;
      },
      REPLICATION_PATIENCE_MS,
    );
  };
  const waitUntilAligned = async () => {
    const position = await words.position(master);
    let last: ReplicationStatus | undefined;
    await waitFor(
      `the slave to have ${position}`,
      async () => {
        if (await words.has(slave, position)) return true;
        last = await status();
        return undefined;
      },
      REPLICATION_PATIENCE_MS,
      () => JSON.stringify(last),
    );
  };
  await waitUntilAligned();

  return {
    status,
    breakReplication: async (part = 'applier') => {
      await slave.rootQuery(`STOP ${words.slave} ${part === 'receiver' ? 'IO_THREAD' : 'SQL_THREAD'}`);
    },
    mendReplication,
    delayReplication: async delaySeconds => {
      await slave.rootQuery(`STOP ${words.slave} SQL_THREAD`);
      await slave.rootQuery(words.delay(delaySeconds));
      await slave.rootQuery(`START ${words.slave}`);
    },
    waitUntilAligned,
    promoteSlave: async () => {
      await slave.rootQuery(`STOP ${words.slave}`);
      await slave.rootQuery(`RESET ${words.slave} ALL`);
      await slave.setReadOnly(false);
    },
  };
}

/** A slave on a busy machine connects, fetches and applies; the one that was cut off finds its master again. */
const REPLICATION_PATIENCE_MS = 60_000;

type Words = {
  readonly slave: string;
  readonly column: string;
  follow(master: DatabaseServer, account: Account): string;
  delay(delaySeconds: number): string;
  position(master: DatabaseServer): Promise<string>;
  has(slave: DatabaseServer, position: string): Promise<boolean>;
};

const WORDS: Readonly<Record<DatabaseKind, Words>> = {
  mariadb: {
    slave: 'SLAVE',
    column: 'Slave',
    follow: ({ host, port }, { user, password }) =>
      `CHANGE MASTER TO master_host = '${host}', master_port = ${port}, master_user = '${user}',
       master_password = '${password}', master_heartbeat_period = ${HEARTBEAT_SECONDS},
       master_connect_retry = ${RETRY_SECONDS}, master_use_gtid = slave_pos, master_demote_to_slave = 1`,
    delay: delaySeconds => `CHANGE MASTER TO master_delay = ${delaySeconds}`,
    position: async master => one(await master.rootQuery('SELECT @@GLOBAL.gtid_binlog_pos AS value')),
    has: async (slave, position) =>
      one(await slave.rootQuery(`SELECT MASTER_GTID_WAIT('${position}', 0) AS value`)) === '0',
  },
  mysql: {
    slave: 'REPLICA',
    column: 'Replica',
    // Without `source_retry_count = 0`, MySQL 9 gives its source up for good after ten attempts.
    follow: ({ host, port }, { user, password }) =>
      `CHANGE REPLICATION SOURCE TO source_host = '${host}', source_port = ${port}, source_user = '${user}',
       source_password = '${password}', source_heartbeat_period = ${HEARTBEAT_SECONDS},
       source_connect_retry = ${RETRY_SECONDS}, source_retry_count = 0, source_auto_position = 1,
       get_source_public_key = 1`,
    delay: delaySeconds => `CHANGE REPLICATION SOURCE TO source_delay = ${delaySeconds}`,
    position: async master => one(await master.rootQuery('SELECT @@GLOBAL.gtid_executed AS value')),
    has: async (slave, position) =>
      one(await slave.rootQuery(`SELECT GTID_SUBSET('${position}', @@GLOBAL.gtid_executed) AS value`)) === '1',
  },
};

const one = ([row]: readonly { readonly value?: unknown }[]) => String(row?.value ?? '').replaceAll('\n', '');
