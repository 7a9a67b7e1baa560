// Fetches a part of MySQL 9 for the tests if it is not there yet. `mysql9-root.ts` runs it under a lock.
import { MYSQL9_PARTS, prepareMysql9Part } from '../test/support/databases/mysql9-root.ts';

const part = MYSQL9_PARTS.find(each => each === process.argv[2]);
try {
  if (part === undefined) throw new Error(`name one of ${MYSQL9_PARTS.join(', ')}`);
  await prepareMysql9Part(part);
} catch (error) {
  for (const cause of error instanceof AggregateError ? [...error.errors, error] : [error]) {
    console.error(cause instanceof Error ? cause.message : cause);
  }
  process.exitCode = 1;
}
