import type { DatabaseFinding } from '../../errors.ts';
import type { SqlConnection } from './connection.ts';
import { type AboutDatabase, missingRights, weakDurability } from './fitness.ts';
import { READ_SILENCE_MS, type ServerFacts } from './session.ts';
import { RIGHT_LACKS, SqlError } from './sql-errors.ts';
import { grantEverywhere } from './sql-words.ts';

/** SQL that makes a Slave a database of its own, for good: a Master that comes back must not write into it. */
const FREE = {
  mariadb: ['STOP SLAVE;', 'RESET SLAVE ALL;', 'SET GLOBAL read_only = OFF;'],
  mysql: ['STOP REPLICA;', 'RESET REPLICA ALL;', 'SET PERSIST super_read_only = OFF;', 'SET PERSIST read_only = OFF;'],
} as const;

/**
 * What keeps a Primary from writing here: it is a Slave, it is read-only, its settings, the rights of this account. One that may not
 * see whether it is a Slave gets that right first: a Master that comes back would go on writing into what is a Slave after all.
 */
export async function obstacleToWriting(
  connection: SqlConnection,
  about: AboutDatabase,
  acceptWeakDurability: boolean,
): Promise<DatabaseFinding | undefined> {
  const { kind, variables } = about.facts;
  const isReadOnly = ['read_only', 'super_read_only'].some(name => (variables.get(name) ?? 'OFF') !== 'OFF');
  const follows = await followsMaster(connection, kind);
  const isSlave = follows === true;
  const free: DatabaseFinding | undefined =
    isReadOnly || isSlave
      ? {
          what: [isSlave ? 'it is a Slave' : '', isReadOnly ? 'it is read-only' : ''].filter(Boolean).join(', '),
          mend: FREE[kind],
        }
      : undefined;
  const found = [
    free,
    acceptWeakDurability ? undefined : weakDurability(about.facts),
    await missingRights(connection, about),
    follows === undefined ? blindToReplication(about.facts) : undefined,
  ].filter(finding => finding !== undefined);
  if (found.length === 0) return undefined;
  return { what: found.map(({ what }) => what).join('; '), mend: found.flatMap(({ mend }) => mend) };
}

/** What an account lacks that may not see whether its database replicates, and what gives it that. */
export function blindToReplication({ kind, account }: Pick<ServerFacts, 'kind' | 'account'>): DatabaseFinding {
  const right = kind === 'mysql' ? 'REPLICATION CLIENT' : 'SLAVE MONITOR';
  return { what: 'the account may not see whether it replicates', mend: [grantEverywhere(right, account)] };
}

/** undefined: this account may not ask. */
async function followsMaster(connection: SqlConnection, kind: 'mariadb' | 'mysql'): Promise<boolean | undefined> {
  try {
    const ask = kind === 'mariadb' ? 'SHOW ALL SLAVES STATUS' : 'SHOW REPLICA STATUS';
    return (await connection.query(ask, [], READ_SILENCE_MS)).rows.length > 0;
  } catch (error) {
    if (error instanceof SqlError && RIGHT_LACKS.includes(error.errno)) return undefined;
    throw error;
  }
}
