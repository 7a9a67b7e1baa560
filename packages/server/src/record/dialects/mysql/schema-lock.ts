import { DatabaseUnavailable } from '../../errors.ts';
import type { SqlConnection } from './connection.ts';
import { READ_SILENCE_MS } from './session.ts';

/** One a database, on all of its server; a name has up to 64 characters. */
const LOCK_NAME = "CONCAT('thinman-schema-', MD5(DATABASE()))";

/**
 * Runs `work` while nobody else changes the schema of this database. A lock of the connection, since each statement that
 * changes a schema ends a transaction and every lock of it; a dead connection gives it back by itself.
 */
export async function locked<T>(connection: SqlConnection, where: string, work: () => Promise<T>): Promise<T> {
  const { rows } = await connection.query(`SELECT GET_LOCK(${LOCK_NAME}, 0) AS got`, [], READ_SILENCE_MS);
  if (Number(rows[0]?.got) !== 1) {
    throw new DatabaseUnavailable('busy', `${where}: another server changes its schema now`);
  }
  try {
    return await work();
  } finally {
    // Whoever gets this connection next must not hold it.
    await connection.query(`DO RELEASE_LOCK(${LOCK_NAME})`, [], READ_SILENCE_MS).catch(() => connection.destroy());
  }
}
