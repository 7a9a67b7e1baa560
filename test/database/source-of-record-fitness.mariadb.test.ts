import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fitnessContract } from '../contract/source-of-record-fitness.ts';
import { makeAccounts } from '../support/database-lab.ts';
import type { DatabaseServer, DatabaseTls } from '../support/databases/database-server.ts';
import { startMariadb } from '../support/databases/mariadb.ts';
import { createDatabaseTls } from '../support/databases/tls.ts';

let server: DatabaseServer;
let tls: DatabaseTls;
before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-mariadb-'));
  tls = await createDatabaseTls(join(folder, 'tls'));
  server = await startMariadb({ folder, tls });
  await makeAccounts(server);
});
after(() => server[Symbol.asyncDispose]());

fitnessContract('MariaDB', () => ({ server, tls }));
