import { DatabaseUnavailable } from '../../errors.ts';
import { TABLES } from '../../schema.ts';
import type { SqlConnection } from './connection.ts';
import { READ_SILENCE_MS } from './session.ts';

/** On every table that ThinMan has made: what has it not is somebody else's. */
export const TABLE_COMMENT = 'ThinMan source of record';

/** What is in a database that is to hold a site. Throws DatabaseUnavailable (`foreign`) on tables of another program. */
export async function siteIn(connection: SqlConnection, where: string): Promise<'site' | 'no_site'> {
  const { rows } = await connection.query(
    'SELECT table_name AS called, table_comment AS comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN (?)',
    [Object.keys(TABLES)],
    READ_SILENCE_MS,
  );
  const foreign = rows.find(({ comment }) => comment !== TABLE_COMMENT);
  if (foreign !== undefined) {
    throw new DatabaseUnavailable(
      'foreign',
      `${where} has a table ${foreign.called} of another program; give ThinMan a database of its own`,
    );
  }
  // A schema without a site row is what an init that was cut off has left: the next one completes it.
  if (!rows.some(({ called }) => called === 'site')) return 'no_site';
  const { rows: sites } = await connection.query('SELECT id FROM site', [], READ_SILENCE_MS);
  return sites.length > 0 ? 'site' : 'no_site';
}
