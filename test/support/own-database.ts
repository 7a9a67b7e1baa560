import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyDatabase } from './database-files.ts';
import type { LocalServer } from './site-in-process.ts';
import { waitFor } from './wait.ts';

/** The Secondary stands on a database of its own, as the Primary's is now: a Slave whose replication has just ended. */
export async function ownDatabase(primary: LocalServer, secondary: LocalServer): Promise<void> {
  await secondary.stop();
  copyDatabase(primary.dir, secondary.dir);
  const file = join(secondary.dir, 'server.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), database: 'sqlite:site.db' }));
  await secondary.start();
  await waitFor('the Secondary to serve', () => secondary.running().status().state === 'serving' || undefined);
}
