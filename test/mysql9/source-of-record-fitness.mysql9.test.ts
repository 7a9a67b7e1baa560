import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { fitnessContract } from '../contract/source-of-record-fitness.ts';
import { makeAccounts, PRIMARY_ACCOUNT } from '../support/database-lab.ts';
import type { DatabaseServer, DatabaseTls } from '../support/databases/database-server.ts';
import { startMysql9 } from '../support/databases/mysql9.ts';
import { createDatabaseTls } from '../support/databases/tls.ts';

let server: DatabaseServer;
let tls: DatabaseTls;
before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-mysql9-'));
  tls = await createDatabaseTls(join(folder, 'tls'));
  server = await startMysql9({ folder, tls });
  await makeAccounts(server);
});
after(() => server[Symbol.asyncDispose]());

it('the account of all this is of the plugin that MySQL 9 has by default', async () => {
  const found = await server.rootQuery('SELECT plugin FROM mysql.user WHERE user = ?', [PRIMARY_ACCOUNT.user]);
  assert.deepEqual(found, [{ plugin: 'caching_sha2_password' }]);
});

fitnessContract('MySQL 9', () => ({ server, tls }));
