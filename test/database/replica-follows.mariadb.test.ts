import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { replicaFollowsContract } from '../contract/replica-follows.ts';
import { databaseLab, makeAccounts } from '../support/database-lab.ts';
import type { DatabaseServer } from '../support/databases/database-server.ts';
import { startMariadb } from '../support/databases/mariadb.ts';

let server: DatabaseServer;
before(async () => {
  server = await startMariadb({ folder: mkdtempSync(join(tmpdir(), 'thinman-mariadb-')) });
  await makeAccounts(server);
});
after(() => server[Symbol.asyncDispose]());

/** Each history makes a database of its own: half a second. */
const RUNS = 20;
replicaFollowsContract('MariaDB', () => databaseLab(server), RUNS);
