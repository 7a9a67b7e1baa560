import type { RecordDialect } from '../dialects/dialect.ts';
import { type RecordDb, SCHEMA } from '../schema.ts';
import { initial } from './0001-initial.ts';
import type { Migration } from './migration.ts';

/** Every migration, in order; the number of the last one is SCHEMA. */
export const MIGRATIONS: readonly Migration[] = [initial];

/** Makes the whole schema in an empty database, or an older one. */
export async function createSchema(db: RecordDb, dialect: RecordDialect, upTo = SCHEMA): Promise<void> {
  for (const migration of MIGRATIONS.filter(({ number }) => number <= upTo)) await migration.up(db, dialect);
}

/** Brings an older schema up to this build's. Only a Primary does so, at its first use of the database. */
export async function migrate(dialect: RecordDialect, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  const target = migrations.at(-1)?.number ?? SCHEMA;
  const behind = await dialect.snapshot(async db => (await schemaOf(db)) < target);
  if (!behind) return;
  await dialect.alter(async db => {
    const from = await schemaOf(db);
    for (const migration of migrations.filter(step => step.number > from)) {
      await migration.up(db, dialect);
      await db.updateTable('site').set({ schema: migration.number }).execute();
    }
  });
}

/** A database without a site row has nothing to migrate: what reads it says so. */
async function schemaOf(db: RecordDb): Promise<number> {
  const row = await db.selectFrom('site').select('schema').executeTakeFirst();
  return row?.schema ?? Number.POSITIVE_INFINITY;
}
