import type { CreateTableBuilder, Insertable } from 'kysely';
import type { ConnectionLoad, SourceOfRecord } from '../../ports.ts';
import type { DatabaseFinding } from '../errors.ts';
import type { RecordDb, RecordSchema } from '../schema.ts';

/** How a transaction ends: kept (committed) or rolled back, and what it gives. */
export type Ending<T> = {
  readonly keep: boolean;
  readonly value: T;
  /** Whether it is in the database: asked where its COMMIT got no answer. Without it nobody can tell. */
  readonly landed?: (db: RecordDb) => Promise<boolean>;
};

/** `feed` tells whether the database answers, so it waits for nobody else. Default: `reader`. */
export type SnapshotLane = Exclude<ConnectionLoad['lane'], 'writer'>;

type DataTypeExpression = Parameters<CreateTableBuilder<string>['addColumn']>[1];

/** Column types. Text compares by bytes: `alice`, `Alice` and `àlice` are three names. */
export type ColumnTypes = {
  /** Up to `chars` characters; may stand in a key. */
  key(chars: number): DataTypeExpression;
  /** JSON and PEM of any length; never the database's own JSON type, which rewrites it. */
  readonly text: DataTypeExpression;
  /** Whole numbers to 2^53. */
  readonly integer: DataTypeExpression;
};

/**
 * All that differs between databases; the queries themselves are written once. Every method that runs `work` rejects with
 * DatabaseUnavailable when the database cannot be used, and passes on what `work` throws by itself.
 */
export type RecordDialect = {
  readonly kind: SourceOfRecord['kind'];
  readonly types: ColumnTypes;
  /** Options behind a CREATE TABLE (strictness, engine, character set). */
  table<T extends string, C extends string>(builder: CreateTableBuilder<T, C>): CreateTableBuilder<T, C>;
  /** One consistent snapshot, taken at the first read. `lane`: who waits for whom, where there are several connections. */
  snapshot<T>(work: (db: RecordDb) => Promise<T>, lane?: SnapshotLane): Promise<T>;
  /**
   * One transaction. A row that it updates is locked from there to the end. Rolled back if `work` rejects. `work` is run
   * again, from its beginning, if another transaction was in the way.
   */
  write<T>(work: (db: RecordDb) => Promise<Ending<T>>): Promise<T>;
  /** In a `write`: holds the site row to its end without changing it. What is read after that is the newest there is. */
  lockSite(db: RecordDb): Promise<void>;
  /**
   * Changes the schema, alone: rejects with DatabaseUnavailable (`busy`) while somebody else does. Each statement is kept by
   * itself, and is run again after a cut: see `Migration`.
   */
  alter<T>(work: (db: RecordDb) => Promise<T>): Promise<T>;
  /**
   * On a database in which nothing need be yet: the schema, then `work` as in `write`, which puts the site row in. Both run
   * only where there is no site; else SiteExists. What was cut off in the middle is completed by the next one.
   */
  create<T>(makeSchema: (db: RecordDb) => Promise<void>, work: (db: RecordDb) => Promise<Ending<T>>): Promise<T>;
  /**
   * In a `write`: inserts these. A row whose key is there already stays as it is; every other error is raised, and some of the rows
   * may be there then.
   */
  insertNew<T extends keyof RecordSchema>(
    db: RecordDb,
    table: T,
    key: readonly (keyof RecordSchema[T] & string)[],
    rows: readonly Insertable<RecordSchema[T]>[],
  ): Promise<void>;
  /** The database works, but will never take this row: its code for it; undefined for every other error. */
  refusalCode(error: unknown): string | undefined;
  /** What keeps a Primary from writing here; asked without writing. */
  obstacleToWriting(): Promise<DatabaseFinding | undefined>;
  connections: SourceOfRecord['connections'];
  close(): Promise<void>;
};
