import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { createConnection } from 'mysql2/promise';
import { waitFor } from '../wait.ts';
import { createAccounts } from './accounts.ts';
import { type GaleraCluster, isSynced, startGalera } from './galera.ts';
import { type DatabaseProxy, startHaproxy } from './haproxy.ts';

const [PRIMARY, SECONDARY] = [
  { user: 'primary', password: 'p1' },
  { user: 'secondary', password: 's2' },
] as const;
/** A statement that a node which stands still keeps waiting; then the proxy has ended its connection. */
const STATEMENT_MS = 5_000;

let folder = '';
let cluster: GaleraCluster;
let proxy: DatabaseProxy;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thinman-galera-'));
  cluster = await startGalera({ folder: join(folder, 'cluster') });
  proxy = await startHaproxy({ folder: join(folder, 'proxy'), servers: cluster.nodes, isUsable: isSynced });
  await createAccounts(nodeAt(0), { database: 'site', primary: PRIMARY, secondary: SECONDARY });
  await nodeAt(0).rootQuery('CREATE TABLE site.kept (number INT PRIMARY KEY)');
});

after(async () => {
  await proxy[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
  assert.equal(existsSync(join(folder, 'cluster')), false);
  assert.equal(existsSync(join(folder, 'proxy')), false);
  assert.equal(proxy.process.isRunning(), false);
  await rm(folder, { recursive: true, force: true });
});

function nodeAt(index: number) {
  const node = cluster.nodes[index];
  assert.ok(node);
  return node;
}

/** Until a statement through the proxy succeeds, as a client with retries does it. Gives back the node's name. */
function write(number: number): Promise<unknown> {
  return waitFor(`${number} to be written`, async () => {
    const uri = proxy.url(PRIMARY.user, PRIMARY.password, 'site');
    const connection = await createConnection({ uri, connectTimeout: STATEMENT_MS }).catch(() => undefined);
    if (connection === undefined) return undefined;
    connection.on('error', () => {});
    try {
      await connection.query({ sql: `REPLACE INTO kept VALUES (${number})`, timeout: STATEMENT_MS });
      const [rows] = await connection.query('SELECT @@wsrep_node_name AS name');
      return Array.isArray(rows) && rows[0] && 'name' in rows[0] ? rows[0].name : undefined;
    } catch {
      return undefined;
    } finally {
      connection.destroy();
    }
  });
}

const kept = async (index: number) =>
  (await nodeAt(index).rootQuery('SELECT number FROM site.kept ORDER BY number')).map(({ number }) => number);

it('writes to the first node, and every node has it', async () => {
  assert.equal(await write(1), 'node1');
  for (const node of cluster.nodes) await cluster.waitUntilSynced(node);
  for (const index of [0, 1, 2]) assert.deepEqual(await kept(index), [1]);
});

it('goes on when the first node is killed, which joins again', async () => {
  await nodeAt(0).kill();
  assert.equal(await write(2), 'node2');
  await nodeAt(0).restart();
  await cluster.waitUntilSynced(nodeAt(0));
  assert.deepEqual(await kept(0), [1, 2]);
  await waitFor('the proxy to go back to it', async () => (await write(2)) === 'node1' || undefined);
});

it('goes on when the first node hangs, which catches up', async () => {
  await nodeAt(0).freeze();
  assert.equal(await write(3), 'node2');
  nodeAt(0).thaw();
  await cluster.waitUntilSynced(nodeAt(0));
  assert.deepEqual(await kept(0), [1, 2, 3]);
});
