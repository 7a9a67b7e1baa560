import type { RecordDialect } from './dialects/dialect.ts';
import { DatabaseUnavailable } from './errors.ts';
import type { RecordDb } from './schema.ts';
import { SITE_ROW } from './site.ts';

/**
 * The database, as far as it holds this site. In one of another site, or without any, every transaction fails with
 * DatabaseUnavailable (`other_site`, `no_site`): nothing is told from there, nothing is kept there. Asked anew each time, for a
 * database can be replaced between two.
 */
export function ofSite(dialect: RecordDialect, siteId: string): RecordDialect {
  const first = async <T>(db: RecordDb, work: (db: RecordDb) => Promise<T>): Promise<T> => {
    await requireOwnSite(db, siteId);
    return work(db);
  };
  return {
    ...dialect,
    get kind() {
      return dialect.kind;
    },
    snapshot: work => dialect.snapshot(db => first(db, work)),
    alter: work => dialect.alter(db => first(db, work)),
    write: work =>
      dialect.write(async db => {
        const ending = await work(db);
        // Not before: on MySQL the first read makes the snapshot, and a commit's must come after its lock of the site row.
        await requireOwnSite(db, siteId);
        return ending;
      }),
  };
}

async function requireOwnSite(db: RecordDb, siteId: string): Promise<void> {
  const row = await db.selectFrom('site').select('siteId').where('id', '=', SITE_ROW).executeTakeFirst();
  if (row === undefined) throw new DatabaseUnavailable('no_site', 'the database holds no site (yet)');
  if (row.siteId !== siteId) {
    throw new DatabaseUnavailable(
      'other_site',
      `the database holds another site (${row.siteId}), this server belongs to ${siteId}: put this site's own database back, or its address into "database" of server.json`,
    );
  }
}
