// Fetches MySQL 9 for the tests if it is not there yet. `ensureMysql9` runs it under a lock.
import { downloadMysql9, hasMysql9, MYSQL9_ROOT } from '../test/support/databases/mysql9-root.ts';

if (!hasMysql9()) {
  console.log(`Fetching MySQL 9 for the tests into ${MYSQL9_ROOT}`);
  try {
    await downloadMysql9();
  } catch (error) {
    for (const cause of error instanceof AggregateError ? [...error.errors, error] : [error]) {
      console.error(cause instanceof Error ? cause.message : cause);
    }
    process.exitCode = 1;
  }
}
