import { resolve } from 'node:path';
import type { DatabaseFinding } from '../../errors.ts';
import { parseMysqlUrl } from './address.ts';
import { openConnection, type Row, type SqlConnection } from './connection.ts';
import { alteredTables, missingRights, needlessRights, weakDurability } from './fitness.ts';
import { blindToReplication } from './obstacle.ts';
import { createSecretsReader } from './secrets.ts';
import { beginSession, READ_SILENCE_MS, type ServerFacts } from './session.ts';
import { RIGHT_LACKS, SqlError, unavailableBy } from './sql-errors.ts';

/** Who examines waits so long for a connection. */
const CONNECT_DEADLINE_MS = 5_000;

/** What a Slave says of its replication. Errors are the database's own words. */
export type Replication =
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly finding: DatabaseFinding }
  | {
      readonly kind: 'slave';
      readonly receives: boolean;
      readonly applies: boolean;
      readonly errors: readonly string[];
    };

/** An external database as a person would look at it. Nothing of it is changed. */
export type Examination = {
  readonly where: string;
  readonly version: string;
  /** It refuses writes of ordinary accounts. */
  readonly isReadOnly: boolean;
  readonly kind: ServerFacts['kind'];
  readonly durability: DatabaseFinding | undefined;
  readonly rights: DatabaseFinding | undefined;
  readonly tables: DatabaseFinding | undefined;
  readonly replication: Replication;
  /** Its clock, Unix milliseconds, and how long it took to say so. */
  readonly clock: { readonly atMs: number; readonly tookMs: number };
};

/** `url`: an external database's. `readOnly`: as a Secondary uses it. Rejects with DatabaseUnavailable. */
export async function examineMysql(
  url: string,
  { dataDir, readOnly }: { readonly dataDir: string; readonly readOnly: boolean },
): Promise<Examination> {
  const parsed = parseMysqlUrl(url, path => resolve(dataDir, path));
  if (parsed.kind === 'wrong') throw new TypeError(parsed.why);
  const { address } = parsed;
  const { host, port, database } = address;
  const where = `database ${database} at ${host}:${port}`;
  let account: string | undefined;
  try {
    const secrets = createSecretsReader(address, process.env)();
    const connection = await openConnection(address, secrets, AbortSignal.timeout(CONNECT_DEADLINE_MS));
    try {
      const facts = await beginSession(connection, 'reader');
      account = facts.account;
      const about = { database, facts };
      const isOn = (variable: string) => facts.variables.get(variable) === 'ON';
      return {
        ...{ where, version: facts.version, kind: facts.kind },
        isReadOnly: isOn('read_only') || isOn('super_read_only'),
        durability: weakDurability(facts),
        rights: await (readOnly ? needlessRights : missingRights)(connection, about),
        tables: await alteredTables(connection),
        replication: await replicationOf(connection, facts),
        clock: await clockOf(connection),
      };
    } finally {
      connection.end();
    }
  } catch (error) {
    throw unavailableBy(error, { where, database, account, readOnly }) ?? error;
  }
}

async function replicationOf(connection: SqlConnection, { kind, account }: ServerFacts): Promise<Replication> {
  let row: Row | undefined;
  try {
    ({
      rows: [row],
    } = await connection.query('SHOW REPLICA STATUS', [], READ_SILENCE_MS));
  } catch (error) {
    if (!(error instanceof SqlError) || !RIGHT_LACKS.includes(error.errno)) throw error;
    return { kind: 'unknown', finding: blindToReplication({ kind, account }) };
  }
  if (row === undefined) return { kind: 'none' };
  // MariaDB keeps the old names.
  const column = (name: string) => String(row[`Replica_${name}`] ?? row[`Slave_${name}`] ?? row[name] ?? '');
  return {
    kind: 'slave',
    receives: column('IO_Running') === 'Yes',
    applies: column('SQL_Running') === 'Yes',
    errors: [column('Last_IO_Error'), column('Last_SQL_Error')].filter(error => error !== ''),
  };
}

const MS_PER_SECOND = 1000;

async function clockOf(connection: SqlConnection): Promise<Examination['clock']> {
  const asked = performance.now();
  const { rows } = await connection.query('SELECT UNIX_TIMESTAMP(NOW(3)) AS at', [], READ_SILENCE_MS);
  return { atMs: Number(rows[0]?.at) * MS_PER_SECOND, tookMs: performance.now() - asked };
}
