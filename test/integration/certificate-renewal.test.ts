import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RecordedEvent, TokenAnswer } from '@thinman/protocol';
import { pino } from 'pino';
import Type from 'typebox';
import { createCsr } from '../../packages/agent/src/adapters/device-key.ts';
import { openIdentityStore } from '../../packages/agent/src/adapters/identity-store.ts';
import { type Agent, createAgent, enroll } from '../../packages/agent/src/agent.ts';
import { connect } from '../../packages/server/src/cli/thinman/admin-client.ts';
import { dataFolder } from '../../packages/server/src/config.ts';
import { openCertificateAuthority } from '../../packages/server/src/identity/certificate-authority.ts';
import { createServer, type ThinmanServer } from '../../packages/server/src/server.ts';
import { initSite } from '../../packages/server/src/setup/init-site.ts';
import { freePort } from '../support/loopback.ts';
import { manualClock } from '../support/manual-clock.ts';
import { waitFor } from '../support/wait.ts';

const DAY_MS = 24 * 3_600_000;
const Events = Type.Object({ items: Type.Array(RecordedEvent) });

let root: string;
let primaryDir: string;
let server: ThinmanServer;
const agents: Agent[] = [];

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'thinman-renewal-'));
  primaryDir = join(root, 'primary');
  const port = await freePort();
  const address = { listen: `127.0.0.1:${port}`, url: `https://127.0.0.1:${port}` };
  await initSite({ dataDir: primaryDir, name: 'primary', ...address });
  server = createServer({ dataDir: primaryDir, log: pino({ level: 'silent' }) });
  await server.start();
});
after(async () => {
  for (const agent of agents) await agent.stop();
  await server.drain();
  rmSync(root, { recursive: true });
});

async function ask<S extends Type.TSchema>(schema: S, path: string, body?: unknown): Promise<Type.Static<S>> {
  const client = connect({ kind: 'socket', path: dataFolder(primaryDir).adminSocket, data: primaryDir });
  try {
    return await client.ask(schema, body === undefined ? { path } : { method: 'POST', path, body });
  } finally {
    await client.close();
  }
}

/** Enrols a device, and gives it a certificate of the site that was issued so many days ago. */
async function deviceWithCertificateOf(daysAgo: number, name: string) {
  const dataDir = join(root, name);
  const { token } = await ask(TokenAnswer, '/tokens', { for: 'device' });
  assert.equal((await enroll({ token, dataDir, name })).ok, true);
  const store = openIdentityStore(join(dataDir, 'identity'));
  const identity = () => {
    const held = store.load();
    assert.ok(held);
    return held;
  };
  assert.ok(Math.abs((identity().certificateIssuedAtMs ?? 0) - Date.now()) < DAY_MS, 'enrolment writes the time down');

  const clock = manualClock();
  const issuedAtMs = Date.now() - daysAgo * DAY_MS;
  clock.setNow(issuedAtMs);
  const read = (file: string) => readFileSync(join(primaryDir, file), 'utf8');
  const authority = openCertificateAuthority(read('identity/ca.key'), read('ca.crt'), clock);
  const { privateKey, deviceId } = identity();
  const { pem } = await authority.issueDevice(createCsr(privateKey, deviceId), deviceId);
  store.saveCertificate(pem, issuedAtMs);
  return { dataDir, name, identity, old: identity() };
}

type Device = Awaited<ReturnType<typeof deviceWithCertificateOf>>;

async function start({ dataDir }: Device): Promise<Agent> {
  const agent = createAgent({ dataDir, localSockets: false, random: () => 0 });
  agents.push(agent);
  await agent.start();
  return agent;
}

async function assertRenewed({ name, identity, old }: Device): Promise<void> {
  const events = await waitFor('the event of the device', async () => {
    const { items } = await ask(Events, '/events?limit=1000&type=certificate.renewed');
    const own = items.filter(({ origin }) => origin === `device:${name}`);
    return own.length > 0 ? own : undefined;
  });
  const held = identity();
  const { validToDate } = new X509Certificate(held.certificate);
  assert.deepEqual(
    events.map(({ data }) => data),
    [{ expiresAt: validToDate.getTime() }],
  );
  assert.ok(validToDate.getTime() - Date.now() > 364 * DAY_MS);
  assert.ok(Math.abs((held.certificateIssuedAtMs ?? 0) - Date.now()) < DAY_MS);
  const same = { certificate: '', certificateIssuedAtMs: 0 };
  assert.deepEqual({ ...held, ...same }, { ...old, ...same });
}

test('a device whose certificate is due renews it by itself', async () => {
  const device = await deviceWithCertificateOf(300, 'tc-due');
  await start(device);
  await assertRenewed(device);
});

test('a device whose certificate has expired is on line again by itself', async () => {
  const device = await deviceWithCertificateOf(400, 'tc-expired');
  const agent = await start(device);
  await waitFor('the device to be on line', () => agent.status().mode === 'online' || undefined);
  await assertRenewed(device);
});

test('a device whose certificate is young leaves it as it is', async () => {
  const device = await deviceWithCertificateOf(100, 'tc-young');
  const agent = await start(device);
  await waitFor('the device to be on line', () => agent.status().mode === 'online' || undefined);
  await waitFor('its events to be on the server', () => agent.status().pendingEvents === 0 || undefined);
  assert.deepEqual(device.identity(), device.old);
});
