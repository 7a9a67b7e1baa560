import { createHash } from 'node:crypto';
import { DatabaseUnavailable } from '../../errors.ts';
import type { SqlConnection } from './connection.ts';
import { READ_SILENCE_MS } from './session.ts';

/** A lock's name has up to 64 characters, and a database's has as many. */
const HASH_CHARS = 40;

/**
 * Runs `work` while nobody else changes the schema of this database. A lock of the connection, since each statement that
 * changes a schema ends a transaction and every lock of it; a dead connection gives it back by itself.
 */
export async function locked<T>(
  connection: SqlConnection,
  { database, where }: { readonly database: string; readonly where: string },
  work: () => Promise<T>,
): Promise<T> {
  // Hashed here: newer MySQL servers have no MD5() for everybody.
  const name = `thinman-schema-${createHash('sha256').update(database).digest('hex').slice(0, HASH_CHARS)}`;
  const { rows } = await connection.query('SELECT GET_LOCK(?, 0) AS got', [name], READ_SILENCE_MS);
  if (Number(rows[0]?.got) !== 1) {
    throw new DatabaseUnavailable('busy', `${where}: another server changes its schema now`);
  }
  try {
    return await work();
  } finally {
    // Whoever gets this connection next must not hold it.
    await connection.query('DO RELEASE_LOCK(?)', [name], READ_SILENCE_MS).catch(() => connection.destroy());
  }
}
