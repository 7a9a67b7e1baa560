import type { Migration } from '../../packages/server/src/record/migrations/migration.ts';

/** What a release after this one might do to the schema: columns that the build before knows nothing of, an index, a table. */
export const up: Migration['up'] = async (db, { types, table }) => {
  await db.schema.alterTable('objects').addColumn('remark', types.text).execute();
  await db.schema.alterTable('events').addColumn('severity', types.integer).execute();
  await db.schema.createIndex('commits_by_time').ifNotExists().on('commits').column('at').execute();
  await table(
    db.schema
      .createTable('remarks')
      .ifNotExists()
      .addColumn('id', types.key(36), column => column.primaryKey())
      .addColumn('text', types.text, column => column.notNull()),
  ).execute();
};
