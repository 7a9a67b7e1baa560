// A Primary to be killed: `node commit-forever.ts DIR` commits without end to DIR/site.db, and prints each generation once it
// is acknowledged.
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { manualClock } from '../support/manual-clock.ts';
import { putUser } from '../support/record-steps.ts';

const record = openSourceOfRecord('sqlite:site.db', { dataDir: process.argv[2] ?? '.', clock: manualClock() });
/** Few, so that most commits change an object that is there. */
const USERS = 50;

for (let i = 0; ; i++) {
  const { version } = await putUser(record, `user-${i % USERS}`, `${i}`);
  process.stdout.write(`${version.generation}\n`);
}
