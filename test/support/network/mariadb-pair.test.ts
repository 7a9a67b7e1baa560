import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startPair } from '../databases/replication.ts';
import { createScratch } from '../scratch.ts';
import { waitFor } from '../wait.ts';
import { createNetwork } from './network.ts';

it('a pair on two hosts: cut off from the master, the slave notices, and catches up by itself afterwards', async () => {
  await using scratch = createScratch('thinman-network-pair-');
  await using network = await createNetwork(['master', 'slave']);
  const on = (name: string) => ({ inside: network.host(name), bindAddress: network.host(name).address, port: 3306 });
  await using pair = await startPair('mariadb', { folder: scratch.folder, master: on('master'), slave: on('slave') });
  await pair.master.rootScript('CREATE DATABASE site; CREATE TABLE site.kept (number INT PRIMARY KEY)');
  await pair.waitUntilAligned();
  assert.match(pair.master.url('user', 'password', 'site'), /^mysql:\/\/user:password@198\.18\.\d+\.2:3306\/site$/);

  await network.dropBetween('master', 'slave');
  await pair.master.rootQuery('INSERT INTO site.kept VALUES (1)');
  await waitFor('the slave to miss its master', async () => !(await pair.status()).receiver || undefined);
  assert.deepEqual(await pair.slave.rootQuery('SELECT number FROM site.kept'), []);

  await network.mendBetween('master', 'slave');
  await pair.waitUntilAligned();
  assert.deepEqual(await pair.slave.rootQuery('SELECT number FROM site.kept'), [{ number: 1 }]);
});
