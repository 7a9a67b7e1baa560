import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { parseMysqlUrl } from '../../packages/server/src/record/dialects/mysql/address.ts';
import { mysqlDialect } from '../../packages/server/src/record/dialects/mysql/mysql.ts';
import { MIGRATIONS, migrate } from '../../packages/server/src/record/migrations/index.ts';
import { SCHEMA } from '../../packages/server/src/record/schema.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { systemClock } from '../../packages/server/src/runtime/clock.ts';
import { databaseLab, makeAccounts } from '../support/database-lab.ts';
import { startGalera } from '../support/databases/galera.ts';
import { up } from '../support/next-release-migration.ts';
import { newSite } from '../support/record-fixtures.ts';
import { putUser } from '../support/record-steps.ts';

it('the next schema is made on one node, and this release goes on with it through another', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'thinman-galera-'));
  const cluster = await startGalera({ folder });
  try {
    const [node, other] = cluster.nodes;
    assert.ok(node !== undefined && other !== undefined);
    await makeAccounts(node);
    const lab = await databaseLab(node);
    const made = openSourceOfRecord(lab.url(), { dataDir: folder, clock: systemClock });
    await made.initialise(newSite(), []);
    await made.close();

    const parsed = parseMysqlUrl(lab.url(), path => path);
    assert.ok(parsed.kind === 'address');
    const dialect = mysqlDialect(parsed.address, { readOnly: false });
    const migrations = [...MIGRATIONS, { number: SCHEMA + 1, up }];
    assert.deepEqual(await migrate(dialect, { migrations }), { from: SCHEMA, to: SCHEMA + 1 });
    await dialect.close();

    const url = new URL(lab.url());
    url.port = String(other.port);
    const record = openSourceOfRecord(url.href, { dataDir: folder, clock: systemClock });
    assert.equal((await record.site())?.schema, SCHEMA + 1);
    assert.equal((await putUser(record, 'alice')).version.generation, 2);
    await record.close();
  } finally {
    await cluster[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
});
