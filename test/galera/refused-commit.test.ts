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
import { type DatabaseLab, databaseLab, makeAccounts } from '../support/database-lab.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { type GaleraCluster, startGalera } from '../support/databases/galera.ts';
import { newSite } from '../support/record-fixtures.ts';
import { assertUnavailable, putUser } from '../support/record-steps.ts';
import { waitFor } from '../support/wait.ts';

let cluster: GaleraCluster;
let node: DatabaseServer;
let lab: DatabaseLab;

const opened: { close(): Promise<void> }[] = [];

before(async () => {
  cluster = await startGalera({ folder: await mkdtemp(join(tmpdir(), 'thinman-galera-')) });
  const [first] = cluster.nodes;
  assert.ok(first !== undefined);
  node = first;
  await makeAccounts(node);
  lab = await databaseLab(node);
});
after(async () => {
  for (const each of opened) await each.close();
  await cluster[Symbol.asyncDispose]();
});

/** As if every wire to the other nodes were pulled. It notices after a while. */
async function isolate(isIsolated: boolean): Promise<void> {
  await node.rootQuery(`SET GLOBAL wsrep_provider_options = 'gmcast.isolate=${isIsolated ? 1 : 0}'`);
}

async function waitUntilAlone(): Promise<void> {
  await waitFor('the node to have lost its cluster', async () => {
    const [row] = await node.rootQuery("SHOW STATUS LIKE 'wsrep_cluster_status'");
    return row?.Value !== 'Primary' || undefined;
  });
}

it('a COMMIT that is under way when its node loses the cluster is refused: the database is unavailable, and used again when it is back', async () => {
  const record = openSourceOfRecord(lab.url(), { dataDir: node.folder, clock: systemClock });
  opened.push(record);
  await record.initialise(newSite(), []);
  const parsed = parseMysqlUrl(lab.url(), path => path);
  assert.ok(parsed.kind === 'address');
  const dialect = mysqlDialect(parsed.address, { readOnly: false });
  opened.push(dialect);
  const isolated = Promise.withResolvers<void>();
  let looked = 0;
  const write = dialect.write(async db => {
    await sql`UPDATE site SET commitId = ${randomUUID()}`.execute(db);
    await isolate(true);
    isolated.resolve();
    return {
      keep: true,
      value: undefined,
      landed: async () => {
        looked++;
        return false;
      },
    };
  });
  const refused = assert.rejects(write, assertUnavailable);
  await isolated.promise;
  await waitUntilAlone();
  await isolate(false);
  await refused;
  assert.ok(looked > 0, 'whether it was made is looked for');
  await cluster.waitUntilSynced(node);
  assert.equal((await putUser(record, 'alice')).version.generation, 2);
});
