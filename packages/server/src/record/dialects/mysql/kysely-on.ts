import type { CompiledQuery, CreateIndexNode, DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely';
import { Kysely, MysqlAdapter, MysqlIntrospector, MysqlQueryCompiler } from 'kysely';
import type { RecordSchema } from '../../schema.ts';
import type { SqlConnection } from './connection.ts';
import { isDoneAlready } from './sql-errors.ts';

export type KyselyOnOptions = {
  readonly silenceMs: number;
  /** Statements of a schema may have been run before: what is there already is no error. */
  readonly repeatable?: boolean;
};

/** The query builder on one connection. Transactions are begun and ended by whoever holds the connection. */
export function kyselyOn(connection: SqlConnection, options: KyselyOnOptions): Kysely<RecordSchema> {
  const dialect: Dialect = {
    createDriver: () => driverOf(connection, options),
    createQueryCompiler: () => new PortableCompiler(),
    createAdapter: () => new MysqlAdapter(),
    createIntrospector: db => new MysqlIntrospector(db),
  };
  return new Kysely<RecordSchema>({ dialect });
}

/** MySQL has no CREATE INDEX IF NOT EXISTS; `repeatable` does the same. */
class PortableCompiler extends MysqlQueryCompiler {
  protected override visitCreateIndex(node: CreateIndexNode): void {
    super.visitCreateIndex({ ...node, ifNotExists: false });
  }
}

function driverOf(connection: SqlConnection, options: KyselyOnOptions): Driver {
  const seat: DatabaseConnection = {
    executeQuery: <R>(query: CompiledQuery) => execute<R>(connection, query, options),
    // biome-ignore lint/correctness/useYield: it is never asked for
    async *streamQuery() {
      throw new Error('the source of record is read whole, never as a stream');
    },
  };
  const notHere = async () => {
    throw new Error('a transaction is begun and ended by the dialect');
  };
  return {
    init: async () => {},
    acquireConnection: async () => seat,
    beginTransaction: notHere,
    commitTransaction: notHere,
    rollbackTransaction: notHere,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
}

async function execute<R>(
  connection: SqlConnection,
  { sql, parameters }: CompiledQuery,
  { silenceMs, repeatable = false }: KyselyOnOptions,
): Promise<QueryResult<R>> {
  try {
    const { rows, affectedRows, insertId } = await connection.query(sql, parameters, silenceMs);
    return {
      rows: rows as R[],
      numAffectedRows: BigInt(affectedRows),
      ...(insertId === 0 ? {} : { insertId: BigInt(insertId) }),
    };
  } catch (error) {
    if (repeatable && isDoneAlready(error)) return { rows: [] };
    throw error;
  }
}
