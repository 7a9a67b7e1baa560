import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
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
