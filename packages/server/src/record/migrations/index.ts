import type { RecordDialect } from '../dialects/dialect.ts';
import { type RecordDb, SCHEMA } from '../schema.ts';
import { initial } from './0001-initial.ts';
import { deployment } from './0002-deployment.ts';
import type { Migration } from './migration.ts';

/** Every migration, in order; the number of the last one is SCHEMA. */
export const MIGRATIONS: readonly Migration[] = [initial, deployment];

/** Makes the whole schema in an empty database, or an older one. */
export async function createSchema(db: RecordDb, dialect: RecordDialect, upTo = SCHEMA): Promise<void> {
  for (const migration of MIGRATIONS.filter(({ number }) => number <= upTo)) await migration.up(db, dialect);
}

/** From which schema to which. */
export type Migrated = { readonly from: number; readonly to: number };

export type MigrateOptions = {
  readonly migrations?: readonly Migration[];
  /** Nothing is done unless this is the Primary by the site row, read under the lock. Default: whoever asks may. */
  readonly instance?: string;
};

/** Brings an older schema up to this build's, one server at a time. undefined: there was nothing to do, or not for this one. */
export async function migrate(dialect: RecordDialect, options: MigrateOptions = {}): Promise<Migrated | undefined> {
  const { migrations = MIGRATIONS, instance } = options;
  const target = migrations.at(-1)?.number ?? SCHEMA;
  const isOurs = ({ schema, primaryInstance }: Standing) =>
    schema < target && (instance === undefined || primaryInstance === instance);
  if (!isOurs(await dialect.snapshot(standing))) return undefined;
  return dialect.alter(async db => {
    const now = await standing(db);
    if (!isOurs(now)) return undefined;
    for (const migration of migrations.filter(step => step.number > now.schema)) {
      await migration.up(db, dialect);
      await db.updateTable('site').set({ schema: migration.number }).execute();
    }
    return { from: now.schema, to: target };
  });
}

type Standing = { readonly schema: number; readonly primaryInstance: string };
/** A database without a site row has nothing to migrate: what reads it says so. */
const NO_SITE: Standing = { schema: Number.POSITIVE_INFINITY, primaryInstance: '' };

async function standing(db: RecordDb): Promise<Standing> {
  return (await db.selectFrom('site').select(['schema', 'primaryInstance']).executeTakeFirst()) ?? NO_SITE;
}
