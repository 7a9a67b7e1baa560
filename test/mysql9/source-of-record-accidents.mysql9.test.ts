import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { accidentsContract } from '../contract/source-of-record-accidents.ts';
import { makeAccounts } from '../support/database-lab.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { startMysql9 } from '../support/databases/mysql9.ts';

let server: DatabaseServer;
before(async () => {
  server = await startMysql9({ folder: mkdtempSync(join(tmpdir(), 'thinman-mysql9-')) });
  await makeAccounts(server);
});
after(() => server[Symbol.asyncDispose]());

accidentsContract('MySQL 9', () => server);
