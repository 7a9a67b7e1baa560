// One member of a real InnoDB Cluster; `innodb-cluster` has several, and MySQL Router before them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { sql } from 'kysely';
import { parseMysqlUrl } from '../../packages/server/src/record/dialects/mysql/address.ts';
import { mysqlDialect } from '../../packages/server/src/record/dialects/mysql/mysql.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { systemClock } from '../../packages/server/src/runtime/clock.ts';
import { type DatabaseLab, databaseLab, makeAccounts, PRIMARY_ACCOUNT } from '../support/database-lab.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { startMysql9 } from '../support/databases/mysql9.ts';
import { freePort } from '../support/loopback.ts';
import { newSite } from '../support/record-fixtures.ts';
import { assertUnavailable, putUser } from '../support/record-steps.ts';
import { waitFor } from '../support/wait.ts';

let member: DatabaseServer;
let lab: DatabaseLab;
const opened: { close(): Promise<void> }[] = [];

before(async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const group = {
    group_name: randomUUID(),
    ...{ local_address: address, group_seeds: address, bootstrap_group: 'ON', start_on_boot: 'ON' },
  };
  member = await startMysql9({
    folder: await mkdtemp(join(tmpdir(), 'thinman-group-')),
    options: [
      '--plugin-load-add=group_replication.so',
      '--report-host=127.0.0.1',
      ...Object.entries(group).map(([name, value]) => `--loose-group_replication_${name}=${value}`),
    ],
  });
  await waitUntilOnline();
  await makeAccounts(member);
  lab = await databaseLab(member);
});
after(async () => {
  for (const each of opened) await each.close();
  await member[Symbol.asyncDispose]();
});

async function waitUntilOnline(): Promise<void> {
  await waitFor('the member to be online', async () => {
    const [row] = await member.rootQuery(
      'SELECT MEMBER_STATE AS state FROM performance_schema.replication_group_members',
    );
    return row?.state === 'ONLINE' || undefined;
  });
}

/** Of the sessions that our account has there. */
async function consistencies(): Promise<readonly string[]> {
  const rows = await member.rootQuery(
    `SELECT variable_value AS value FROM performance_schema.variables_by_thread JOIN performance_schema.threads USING (thread_id)
     WHERE variable_name = 'group_replication_consistency' AND processlist_user = ?`,
    [PRIMARY_ACCOUNT.user],
  );
  return rows.map(({ value }) => String(value));
}

it('a site in a group is written and read, and each session waits for what the others have committed', async () => {
  const record = openSourceOfRecord(lab.url(), { dataDir: member.folder, clock: systemClock });
  opened.push(record);
  await record.initialise(newSite(), []);
  await putUser(record, 'alice');
  assert.equal((await record.feed(undefined)).kind, 'full');
  const found = await consistencies();
  assert.ok(found.length >= 2, 'a reader and a writer');
  assert.deepEqual(new Set(found), new Set(['BEFORE']));
});

it('a COMMIT that is under way when its member leaves the group is looked for, and the database used again afterwards', async () => {
  const parsed = parseMysqlUrl(lab.url(), path => path);
  assert.ok(parsed.kind === 'address');
  const dialect = mysqlDialect(parsed.address, { readOnly: false });
  opened.push(dialect);
  let looked = 0;
  const left = Promise.withResolvers<void>();
  const write = dialect.write(async db => {
    await sql`UPDATE site SET commitId = ${randomUUID()}`.execute(db);
    // It waits for who is in a transaction, and lets nobody end it well.
    void member.rootQuery('STOP GROUP_REPLICATION').then(() => left.resolve(), left.reject);
    await waitFor('it to leave', async () => {
      const [row] = await member.rootQuery(
        "SELECT COUNT(*) AS leaving FROM information_schema.processlist WHERE info LIKE 'STOP GROUP%'",
      );
      return Number(row?.leaving) > 0 || undefined;
    });
    return {
      keep: true,
      value: undefined,
      landed: async () => {
        looked++;
        return false;
      },
    };
  });
  // That one member has not got it says nothing of the others.
  const refused = assert.rejects(write, error => assertUnavailable(error) && /is not known/.test(String(error)));
  await left.promise;
  await member.rootQuery('START GROUP_REPLICATION');
  await waitUntilOnline();
  await refused;
  assert.ok(looked > 0, 'whether it was made is looked for');
  const record = openSourceOfRecord(lab.url(), { dataDir: member.folder, clock: systemClock });
  opened.push(record);
  assert.equal((await putUser(record, 'bob')).version.generation, 3);
});
