import type { SourceOfRecord } from '../../../ports.ts';
import type { SqlConnection } from './connection.ts';

/** A database that has not said a byte for this long does not answer: below the 3 s after which it counts as gone. */
export const READ_SILENCE_MS = 2_500;
/** Writing may wait for a lock first. Below the 10 s after which administration is answered without a database. */
export const WRITE_SILENCE_MS = 8_000;
/** A change of a large table. */
export const SCHEMA_SILENCE_MS = 600_000;

/** The database drops a writer that says nothing: one that lost power in a transaction keeps the site row no longer. */
const WRITER_WAIT_TIMEOUT_S = 10;
/** Two minutes of a snapshot that nobody reads any more are enough for the database to keep. */
const READER_WAIT_TIMEOUT_S = 120;
/** For the row of the site, and for tables that a backup holds. */
const LOCK_WAIT_TIMEOUT_S = 5;

/** wsrep_sync_wait: what was committed on any node of a Galera cluster is seen by reads (1), updates (2) and inserts (4). */
const SEE_WHOLE_CLUSTER = 1 + 2 + 4;
/**
 * The same of InnoDB Cluster: a transaction begins when all that was committed before it is here. A member that has lost the
 * others waits in vain, and is left.
 * @see https://dev.mysql.com/doc/refman/9.0/en/group-replication-system-variables.html#sysvar_group_replication_consistency
 */
const SEE_WHOLE_GROUP = 'BEFORE';

export type SessionRole = 'reader' | 'writer';

/** What a server is and how it is set, as its variables say. Those that it has not are not there. */
export type ServerFacts = {
  readonly kind: Exclude<SourceOfRecord['kind'], 'sqlite'>;
  readonly version: string;
  /** USER@HOST, as the server has matched it. */
  readonly account: string;
  /** Another one behind the same address is another server. */
  readonly serverId: string;
  readonly variables: ReadonlyMap<string, string>;
};

const VARIABLES = [
  ...['server_uuid', 'hostname', 'port', 'server_id', 'wsrep_on', 'wsrep_sync_wait', 'read_only', 'super_read_only'],
  ...['group_replication_group_name', 'max_allowed_packet'],
  ...['log_bin', 'sync_binlog', 'binlog_format', 'innodb_flush_log_at_trx_commit'],
] as const;

/** Tells a new connection how it is to behave, whatever the server's own settings are. */
export async function beginSession(connection: SqlConnection, role: SessionRole): Promise<ServerFacts> {
  const ask = (sql: string, values: readonly unknown[] = []) => connection.query(sql, values, READ_SILENCE_MS);
  const facts = await readFacts(ask);
  const settings = [
    "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    "time_zone = '+00:00'",
    'autocommit = 1',
    `innodb_lock_wait_timeout = ${LOCK_WAIT_TIMEOUT_S}`,
    `lock_wait_timeout = ${LOCK_WAIT_TIMEOUT_S}`,
    `wait_timeout = ${role === 'writer' ? WRITER_WAIT_TIMEOUT_S : READER_WAIT_TIMEOUT_S}`,
  ];
  if (isGalera(facts)) settings.push(`wsrep_sync_wait = ${SEE_WHOLE_CLUSTER}`);
  if (isGroup(facts)) settings.push(`group_replication_consistency = '${SEE_WHOLE_GROUP}'`);
  await ask(`SET SESSION ${settings.join(', ')}`);
  await ask('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  return facts;
}

/** One of several servers that agree at COMMIT. */
export function isCluster(facts: ServerFacts): boolean {
  return isGalera(facts) || isGroup(facts);
}

function isGalera({ variables }: ServerFacts): boolean {
  return variables.get('wsrep_on') === 'ON';
}

/** Group Replication, under InnoDB Cluster; whether it runs now or not. */
function isGroup({ variables }: ServerFacts): boolean {
  return (variables.get('group_replication_group_name') ?? '') !== '';
}

async function readFacts(ask: (sql: string, values?: readonly unknown[]) => ReturnType<SqlConnection['query']>) {
  const { rows: who } = await ask('SELECT VERSION() AS version, CURRENT_USER() AS account');
  const { rows } = await ask('SHOW VARIABLES WHERE Variable_name IN (?)', [VARIABLES]);
  const variables = new Map(rows.map(row => [String(row.Variable_name).toLowerCase(), String(row.Value)]));
  const version = String(who[0]?.version);
  const named = ['hostname', 'port', 'server_id'].map(name => variables.get(name)).join(':');
  return {
    kind: /mariadb/i.test(version) ? 'mariadb' : 'mysql',
    version,
    account: String(who[0]?.account),
    serverId: variables.get('server_uuid') ?? named,
    variables,
  } satisfies ServerFacts;
}
