import type { RecordDialect } from '../dialects/dialect.ts';
import type { RecordDb } from '../schema.ts';

/**
 * One step of the schema, from `number - 1` to `number`. Forward only, expand only: the build before must go on reading and
 * writing what it leaves, and the build that brings it must be able to read without it (a Secondary of the new build reads
 * before the Primary has migrated). What is not needed any more goes one release later. Each statement must bear being run
 * again, because MySQL commits after each: `alter` takes a table, column or index that is there already for done.
 */
export type Migration = {
  readonly number: number;
  up(db: RecordDb, dialect: Pick<RecordDialect, 'types' | 'table'>): Promise<void>;
};
