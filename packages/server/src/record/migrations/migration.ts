import type { RecordDialect } from '../dialects/dialect.ts';
import type { RecordDb } from '../schema.ts';

/**
 * One step of the schema, from `number - 1` to `number`. Forward only, expand only: the build before must go on working
 * with what it leaves. Each statement must bear being run again, because MySQL commits after each.
 */
export type Migration = {
  readonly number: number;
  up(db: RecordDb, dialect: Pick<RecordDialect, 'types' | 'table'>): Promise<void>;
};
