import type { DatabaseFinding } from '../../errors.ts';
import type { SqlConnection } from './connection.ts';
import { type Granted, grantedOn, lacking } from './grants.ts';
import { TABLE_COMMENT } from './own-tables.ts';
import { READ_SILENCE_MS, type ServerFacts } from './session.ts';
import { READ_ONLY, RIGHT_LACKS, SqlError } from './sql-errors.ts';
import { createUser, grant, PACKET_WANTED_BYTES, PRIMARY_RIGHTS, revokeAll, SECONDARY_RIGHTS } from './sql-words.ts';

/** What a Secondary's account has no use for. */
const CHANGING = ['ALL PRIVILEGES', 'CREATE', 'ALTER', 'DROP', 'INDEX', 'TRIGGER', 'INSERT', 'UPDATE', 'DELETE'];

/** Asked by EXPLAIN, which needs the right of what it explains and does nothing: so roles and patterns count as they do. */
const TRIALS = {
  SELECT: 'EXPLAIN SELECT id FROM site WHERE id = 0',
  INSERT: "EXPLAIN INSERT INTO heartbeat (id, instance, beat, at) VALUES (0, '', 0, 0)",
  UPDATE: 'EXPLAIN UPDATE heartbeat SET beat = 0 WHERE id = 0',
  DELETE: 'EXPLAIN DELETE FROM heartbeat WHERE id = 0',
} as const;
type Trial = keyof typeof TRIALS;

/** `unknown`: it cannot be tried now (read-only, or no tables yet). */
type Verdict = 'has' | 'lacks' | 'unknown';

export type AboutDatabase = { readonly database: string; readonly facts: ServerFacts };

/**
 * Settings under which an acknowledged commit can be lost, or a Slave drift from its Master: with MariaDB's defaults both.
 * @see https://mariadb.com/kb/en/innodb-system-variables/ (innodb_flush_log_at_trx_commit = 3 flushes as well)
 */
export function weakDurability({ kind, variables }: ServerFacts): DatabaseFinding | undefined {
  const logs = variables.get('log_bin') === 'ON';
  const wanted = [
    { name: 'innodb_flush_log_at_trx_commit', good: kind === 'mariadb' ? ['1', '3'] : ['1'], set: '1', matters: true },
    { name: 'sync_binlog', good: ['1'], set: '1', matters: logs },
    { name: 'binlog_format', good: ['ROW'], set: "'ROW'", matters: logs },
  ];
  const weak = wanted.filter(
    ({ name, good, matters }) => matters && !good.includes(variables.get(name) ?? good[0] ?? ''),
  );
  if (weak.length === 0) return undefined;
  const said = weak.map(({ name }) => `${name} = ${variables.get(name)}`).join(', ');
  // MySQL keeps it over a restart by itself.
  const scope = kind === 'mysql' ? 'PERSIST' : 'GLOBAL';
  const after =
    kind === 'mysql' ? '' : '; put the same under [mysqld] in its configuration, or its next restart undoes it';
  return {
    what: `it may lose what it has acknowledged, or drift from its Slave (${said})${after}; or accept that with --accept-weak-durability`,
    mend: weak.map(({ name, set }) => `SET ${scope} ${name} = ${set};`),
  };
}

/** It would refuse what is large and in order: told, for most of what is written is small. */
export function shortPackets({ kind, variables }: ServerFacts): DatabaseFinding | undefined {
  const bytes = Number(variables.get('max_allowed_packet') ?? PACKET_WANTED_BYTES);
  if (bytes >= PACKET_WANTED_BYTES) return undefined;
  return {
    what: `it refuses statements of more than ${bytes} bytes (max_allowed_packet); large objects cannot be written`,
    mend: [`SET ${kind === 'mysql' ? 'PERSIST' : 'GLOBAL'} max_allowed_packet = ${PACKET_WANTED_BYTES};`],
  };
}

/** What the Primary's account lacks; undefined: nothing, as far as can be told now. */
export async function missingRights(
  connection: SqlConnection,
  about: AboutDatabase,
): Promise<DatabaseFinding | undefined> {
  const { database, facts } = about;
  const granted = await readGrants(connection, database);
  const needed = PRIMARY_RIGHTS.filter(right => !isTrial(right));
  const missing: string[] = [...lacking(needed, granted)];
  for (const right of Object.keys(TRIALS).filter(isTrial)) {
    if ((await tryOut(connection, right)) === 'lacks') missing.push(right);
  }
  if (missing.length === 0) return undefined;
  return {
    what: `the account lacks ${missing.join(', ')} on it`,
    mend: [grant(PRIMARY_RIGHTS, database, facts.account)],
  };
}

/** An account of a Secondary's that could write, and break replication with it. */
export async function needlessRights(
  connection: SqlConnection,
  { database, facts }: AboutDatabase,
): Promise<DatabaseFinding | undefined> {
  const granted = await readGrants(connection, database);
  const could = new Set(CHANGING.filter(right => granted.rights.has(right)));
  for (const right of ['INSERT', 'UPDATE', 'DELETE'] as const) {
    if ((await tryOut(connection, right)) === 'has') could.add(right);
  }
  if (could.size === 0) return undefined;
  const { account } = facts;
  const what = `the account of this Secondary has ${[...could].join(', ')} on it; SELECT is all it needs`;
  if (lacking(PRIMARY_RIGHTS, granted).length > 0) {
    return { what, mend: [revokeAll(account), grant(SECONDARY_RIGHTS, database, account)] };
  }
  // It may be the Primary's own account, whose rights must stay.
  const own = `thinman_secondary${account.slice(account.lastIndexOf('@'))}`;
  return {
    what: `${what}: give it an account of its own`,
    mend: [createUser(own), grant(SECONDARY_RIGHTS, database, own)],
  };
}

/** Tables of ours that a restore or a conversion has made other than they were. */
export async function alteredTables(connection: SqlConnection): Promise<DatabaseFinding | undefined> {
  const { rows } = await connection.query(
    `SELECT table_name AS called, engine AS engine, table_collation AS collation FROM information_schema.tables
     WHERE table_schema = DATABASE() AND table_comment = ?`,
    [TABLE_COMMENT],
    READ_SILENCE_MS,
  );
  const wrong = rows.filter(({ engine, collation }) => engine !== 'InnoDB' || collation !== 'utf8mb4_bin');
  if (wrong.length === 0) return undefined;
  const said = wrong.map(({ called, engine, collation }) => `${called}: ${engine}, ${collation}`).join('; ');
  return {
    what: `its tables are not InnoDB in utf8mb4_bin (${said})`,
    mend: wrong.map(
      ({ called }) =>
        `ALTER TABLE \`${called}\` ENGINE = InnoDB, CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;`,
    ),
  };
}

async function readGrants(connection: SqlConnection, database: string): Promise<Granted> {
  const { rows } = await connection.query('SHOW GRANTS', [], READ_SILENCE_MS);
  return grantedOn(
    rows.map(row => String(Object.values(row)[0])),
    database,
  );
}

function isTrial(right: string): right is Trial {
  return right in TRIALS;
}

async function tryOut(connection: SqlConnection, right: Trial): Promise<Verdict> {
  try {
    await connection.query(TRIALS[right], [], READ_SILENCE_MS);
    return 'has';
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    if (RIGHT_LACKS.includes(error.errno)) return 'lacks';
    if (READ_ONLY.includes(error.errno) || NO_TABLE === error.errno) return 'unknown';
    throw error;
  }
}

/** ER_NO_SUCH_TABLE. */
const NO_TABLE = 1146;
