import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { accidentsContract } from '../contract/source-of-record-accidents.ts';
import { makeAccounts } from '../support/database-lab.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { startMariadb } from '../support/databases/mariadb.ts';

let server: DatabaseServer;
before(async () => {
  server = await startMariadb({ folder: mkdtempSync(join(tmpdir(), 'thinman-mariadb-')) });
  await makeAccounts(server);
});
after(() => server[Symbol.asyncDispose]());

accidentsContract('MariaDB', () => server);
