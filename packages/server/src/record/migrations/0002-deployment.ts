import type { Migration } from './migration.ts';

/** As in the first migration. */
const UUID_CHARS = 36;
const ORIGIN_CHARS = 200;
const ACTOR_CHARS = 256;
/** SHA-256, hexadecimal. */
const HASH_CHARS = 64;
/** `applied`, `pending`, `failed`. */
const OUTCOME_CHARS = 16;

/** Contents of files, by their hash and in parts; what devices have reported last of their bundles; what one commit touched. */
export const deployment: Migration = {
  number: 2,
  async up(db, { types, table }) {
    const { integer, text } = types;
    await table(
      db.schema
        .createTable('file_chunks')
        .ifNotExists()
        .addColumn('hash', types.key(HASH_CHARS), column => column.notNull())
        .addColumn('part', integer, column => column.notNull())
        .addColumn('data', text, column => column.notNull())
        .addPrimaryKeyConstraint('file_chunks_pk', ['hash', 'part']),
    ).execute();

    await table(
      db.schema
        .createTable('bundle_reports')
        .ifNotExists()
        .addColumn('origin', types.key(ORIGIN_CHARS), column => column.notNull())
        .addColumn('user', types.key(ACTOR_CHARS), column => column.notNull())
        .addColumn('eventId', types.key(UUID_CHARS), column => column.notNull())
        .addColumn('at', integer, column => column.notNull())
        .addColumn('etag', types.key(HASH_CHARS), column => column.notNull())
        .addColumn('epoch', integer, column => column.notNull())
        .addColumn('generation', integer, column => column.notNull())
        .addColumn('outcome', types.key(OUTCOME_CHARS), column => column.notNull())
        .addColumn('sections', text, column => column.notNull())
        .addPrimaryKeyConstraint('bundle_reports_pk', ['origin', 'user']),
    ).execute();
    await db.schema
      .createIndex('bundle_reports_by_version')
      .ifNotExists()
      .on('bundle_reports')
      .columns(['epoch', 'generation', 'outcome'])
      .execute();
    await db.schema
      .createIndex('history_by_generation')
      .ifNotExists()
      .on('history')
      .columns(['epoch', 'generation'])
      .execute();
  },
};
