import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { brokenRecord, namesIn, replicaDifferences } from './crash-points-audit.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';

/** The Primary runs again: everything that it acknowledged is there, everything agrees, and one more can be written. */
export async function expectRecovered(site: Site, where: string, acknowledged: readonly string[]): Promise<void> {
  const { primary, secondary } = site;
  if (!primary.isRunning()) await primary.start();
  assert.equal(await writeObject(primary, 'the-next'), true, where);
  const record = join(primary.data, 'site.db');
  assert.deepEqual(brokenRecord(record), [], where);
  const held = namesIn(record, 'DeviceGroup');
  assert.deepEqual(
    acknowledged.filter(name => !held.has(name)),
    [],
    where,
  );
  const { epoch, generation } = await primary.waitForStatus('to answer', () => true);
  for (const server of [primary, secondary]) {
    await server.waitForStatus(`to have ${generation}`, has => has.epoch === epoch && has.generation === generation);
    assert.deepEqual(replicaDifferences(record, join(server.data, 'replica.db')), [], where);
  }
}

/** Whether the Primary said that it is done; false: it said nothing. */
export function writeObject(primary: Server, name: string): Promise<boolean> {
  const body = JSON.stringify({ objects: [{ kind: 'DeviceGroup', name, body: {} }] });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const socketPath = join(primary.data, 'admin.sock');
  return new Promise((resolve, reject) => {
    request({ socketPath, method: 'POST', path: '/v1/admin/apply', headers, agent: false }, response => {
      response.resume().once('close', () => {
        if (response.statusCode === 200) resolve(true);
        else reject(new Error(`the Primary answered ${response.statusCode}`));
      });
    })
      .once('error', () => resolve(false))
      .end(body);
  });
}
