import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { type Agent, createAgent, enroll } from '../../packages/agent/src/agent.ts';
import { runThinman } from '../../packages/server/src/cli/thinman.ts';
import { createServer, type ThinmanServer } from '../../packages/server/src/server.ts';
import { initSite } from '../../packages/server/src/setup/init-site.ts';
import { freePort } from '../support/loopback.ts';
import { waitFor } from '../support/wait.ts';

let root: string;
let server: ThinmanServer;
const agents: Agent[] = [];

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-devices-'));
  const port = await freePort();
  const address = { listen: `127.0.0.1:${port}`, url: `https://127.0.0.1:${port}` };
  await initSite({ dataDir: join(root, 'primary'), name: 'primary', ...address });
  server = createServer({ dataDir: join(root, 'primary'), log: pino({ level: 'silent' }) });
  await server.start();
});
after(async () => {
  for (const agent of agents) await agent.stop();
  await server.drain();
  rmSync(root, { recursive: true });
});

/** `thinman ARGS` on the Primary's own host. */
async function thinman(...args: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const streams = { out: (text: string) => out.push(text), err: (text: string) => err.push(text) };
  const code = await runThinman(['node', 'thinman', '--data', join(root, 'primary'), ...args], streams);
  return { code, stdout: out.join(''), stderr: err.join('') };
}

async function printed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await thinman(...args);
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

async function start(folder: string): Promise<Agent> {
  const agent = createAgent({ dataDir: join(root, folder), localSockets: false });
  agents.push(agent);
  await agent.start();
  await agent.ready();
  return agent;
}

const device = async (name: string) => JSON.parse(await printed('get', 'Device', name, '-o', 'json'))[0];

let applies = 0;
async function applied(object: object): Promise<void> {
  const file = join(root, `object-${applies++}.json`);
  writeFileSync(file, JSON.stringify(object));
  await printed('apply', '-f', file);
}

test('a device with a new disk is the same device again; the old disk is no device any more', async () => {
  const token = (await printed('token', 'device')).trim();
  const first = await enroll({ token, dataDir: join(root, 'old-disk'), name: 'tc-1' });
  assert.equal((await start('old-disk')).status().mode, 'online');

  const again = (await printed('device', 'reenroll', 'tc-1', '--ttl', '1h')).trim();
  assert.match(await printed('get', 'EnrollmentToken'), /device tc-1 +0 of 1/);
  const second = await enroll({ token: again, dataDir: join(root, 'new-disk') });
  assert.deepEqual(second, first);
  assert.match(await printed('get', 'EnrollmentToken'), /device tc-1 +1 of 1/);

  const [old] = agents;
  await waitFor('the old disk to be without a server', () => old?.status().mode === 'offline' || undefined);
  assert.equal((await start('new-disk')).status().mode, 'online');
  const third = await enroll({ token: again, dataDir: join(root, 'third-disk') });
  assert.equal(third.ok || third.code, 'token_invalid');
});

test('a revoked device is refused from then on, and is not re-enrolled', async () => {
  const token = (await printed('token', 'device')).trim();
  await enroll({ token, dataDir: join(root, 'stolen'), name: 'tc-2' });
  const stolen = await start('stolen');
  assert.equal(stolen.status().mode, 'online');

  const before = await device('tc-2');
  assert.match(await printed('device', 'revoke', 'tc-2'), /^updated {3}Device\/tc-2\n/);
  assert.deepEqual((await device('tc-2')).body, { ...before.body, revoked: true });
  await waitFor('it to be without a server', () => stolen.status().mode === 'offline' || undefined);
  assert.match(await printed('device', 'revoke', 'tc-2'), /1 unchanged/);

  const { code, stdout, stderr } = await thinman('device', 'reenroll', 'tc-2');
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^thinman: .*revoked.*\n$/);
});

test('a machine that takes the place of another one works on, also with no server: what it has sealed is its own', async () => {
  const password = 'alices-first-password';
  await applied({ kind: 'User', name: 'alice', body: { password } });
  await applied({ kind: 'DeviceGroup', name: 'ward-3', body: {} });
  const token = (await printed('token', 'device', '--uses', '2')).trim();
  await enroll({ token, dataDir: join(root, 'broken'), name: 'tc-7' });
  await enroll({ token, dataDir: join(root, 'spare'), name: 'tc-spare' });
  await applied({ kind: 'Device', name: 'tc-7', body: { group: 'ward-3' } });
  const [broken, spare] = [await start('broken'), await start('spare')];
  assert.equal((await spare.login('alice', password)).verdict, 'granted');
  await broken.login('alice', password);

  assert.match(await printed('device', 'replace', 'tc-7', '--with', 'tc-spare'), /^replaced {2}Device\/tc-7 with /);
  assert.deepEqual((await device('tc-7')).body, { group: 'ward-3' });
  assert.equal((await thinman('get', 'Device', 'tc-spare')).code, 2);
  // Its session goes on, and it takes the name that it has here.
  const renamed = () => spare.status().mode === 'online' && spare.status().device === 'tc-7';
  await waitFor('the machine to be tc-7', () => renamed() || undefined);
  assert.equal(spare.status().session?.user, 'alice');
  const online = await spare.login('alice', password);
  assert.deepEqual([online.verdict, online.mode], ['granted', 'online']);

  // The machine that was replaced is revoked: it has forgotten its users.
  await waitFor('the old machine to be without a server', () => broken.status().mode === 'offline' || undefined);
  assert.equal((await broken.login('alice', password)).verdict, 'denied');

  await spare.stop();
  const again = await start('spare');
  assert.equal(again.status().device, 'tc-7');
  await again.logout();
  await server.drain();
  await waitFor('the machine to be alone', () => again.status().mode === 'offline' || undefined);
  const offline = await again.login('alice', password);
  assert.deepEqual([offline.verdict, offline.mode], ['granted', 'offline']);
});
