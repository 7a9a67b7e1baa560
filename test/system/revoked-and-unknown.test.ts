import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Agent, createAgentCommands } from '../support/agent-commands.ts';
import { filesUnder } from '../support/canaries.ts';
import { deviceRows } from '../support/device-rows.ts';
import { deviceCredential } from '../support/impostor.ts';
import { expectLogin } from '../support/logins.ts';
import type { Processes } from '../support/processes.ts';
import type { Server } from '../support/server-commands.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTest, systemTests } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB, GROUP } from '../support/ward.ts';

/** By whichever server: both say the same, and on a busy machine the second one may be quicker. */
const ONLINE = /^granted online by/;
const REVOKED = /^denied device_revoked online by/;

systemTests(
  'row 15: a revoked device',
  { agents: [], wires: true },
  {
    'that is connected forgets all users at once, and lets nobody in, online or offline': async site => {
      const agent = await deviceWithUsers(site, 'tc-connected');
      const held = secretsHeld(agent);
      await revoke(site, agent);
      await agent.waitForStatus('to have ended the session', ({ session }) => session === null);
      await expectForgotten(agent, held);
      await expectLogin(agent, ALICE, REVOKED);

      await cut(site);
      await expectLogin(agent, ALICE, 'denied no_cached_login offline');
      await agent.stop();
      await agent.start();
      await expectLogin(agent, ALICE, 'denied no_cached_login offline');
      await mend(site);
      await expectLogin(agent, ALICE, REVOKED);
      await forgive(site, agent);
    },

    'that was off when it happened hears of it at its start': async (site, processes) => {
      const agent = await deviceWithUsers(site, 'tc-off');
      const held = secretsHeld(agent);
      await agent.stop();
      await revoke(site, agent);
      assert.match(await agent.start(), /^READY mode=offline\b/);
      await expectForgotten(agent, held);
      const unheard = withoutHistory(agent, processes);
      await expectLogin(unheard, ALICE, REVOKED);
      await cut(site);
      await expectLogin(unheard, ALICE, 'denied no_cached_login offline');
      await mend(site);
      await agent.stop();
    },

    'that was cut off lets users in until it hears of it, and then nobody': async (site, processes) => {
      const agent = await deviceWithUsers(site, 'tc-cut-off');
      const held = secretsHeld(agent);
      const unheard = withoutHistory(agent, processes);
      await cut(site);
      await revoke(site, agent);
      await expectLogin(unheard, ALICE, 'granted offline');
      await mend(site);
      await agent.waitForStatus('to have ended the session', ({ session }) => session === null);
      await expectForgotten(agent, held);
      await expectLogin(unheard, ALICE, REVOKED);
      await agent.stop();
    },

    'on the Secondary hears of it there': async (site, processes) => {
      const agent = await deviceWithUsers(site, 'tc-secondary');
      const held = secretsHeld(agent);
      await site.wires?.primary.cut();
      await waitUntilOn(agent, site.secondary);
      await revoke(site, agent);
      await agent.waitForStatus('to have ended the session', ({ session }) => session === null);
      await expectForgotten(agent, held);
      await expectLogin(withoutHistory(agent, processes), ALICE, 'denied device_revoked online by secondary');
      await site.wires?.primary.mend();
      await agent.stop();
    },

    'that was deleted is revoked': async (site, processes) => {
      const agent = await deviceWithUsers(site, 'tc-deleted');
      const held = secretsHeld(agent);
      await site.primary.administer(['delete', 'Device', agent.name]);
      await expectForgotten(agent, held);
      const unheard = withoutHistory(agent, processes);
      await expectLogin(unheard, ALICE, REVOKED);
      await cut(site);
      await expectLogin(unheard, ALICE, 'denied no_cached_login offline');
      await mend(site);
      await agent.stop();
    },
  },
);

systemTest(
  'row 15: a device that a restored database does not know lets its users in offline, and is told of',
  { agents: [] },
  async (site, processes) => {
    const { primary, secondary } = site;
    const backup = join(site.folder, 'backup');
    const newest = join(site.folder, 'newest');
    await exchange(site, () => save(site, backup, WHOLE));
    const agent = await deviceWithUsers(site, 'tc-new');
    await site.settle();
    const held = deviceRows(agent).filter(({ kind }) => kind === 'login');

    await exchange(site, () => {
      save(site, newest, WHOLE);
      restore(site, backup, SOURCE_OF_RECORD);
    });
    // The servers' own copies know more than the database: that is a fork, and they go on from what they have.
    await agent.waitForStatus('to be online, degraded', ({ mode }) => mode === 'degraded');
    // Its events wait in a journal, are handed on to the database that comes next, and go with that one.
    await expectLogin(withoutHistory(agent, processes), ALICE, /^granted degraded by/);
    await agent.waitForStatus('to have handed on its events', ({ pendingEvents }) => pendingEvents === 0);

    await exchange(site, () => restore(site, backup, WHOLE));
    await agent.waitForStatus('to be unknown to both', ({ servers }) =>
      servers.every(({ lastError }) => lastError === 'device_unknown'),
    );
    await expectLogin(agent, ALICE, 'granted offline');
    await expectLogin(agent, { ...BOB, password: 'not-his-password' }, 'denied credentials_invalid offline');
    await agent.stop();
    assert.match(await agent.start(), /^READY mode=offline\b/);
    await expectLogin(agent, BOB, 'granted offline');
    assert.deepEqual(deviceRows(agent).filter(({ kind }) => kind === 'login').length, held.length);
    const { keyHash } = deviceCredential(agent);
    const strangers = await waitFor('both servers to have told of the stranger', async () => {
      const told = (await primary.events()).filter(
        ({ type, data }) => type === 'device.unknown' && data.keyHash === keyHash,
      );
      return told.length >= 2 ? told : undefined;
    });
    assert.deepEqual(strangers.map(({ origin }) => origin).toSorted(), ['server:primary', 'server:secondary']);

    // What it did meanwhile was not lost: whoever knows it again hears of it.
    await exchange(site, () => restore(site, newest, WHOLE));
    await waitUntilOn(agent, primary);
    await expectLogin(agent, ALICE, ONLINE);
    assert.equal((await secondary.status()).state, 'serving');
  },
);

const SOURCE_OF_RECORD = ['site.db'] as const;
const WHOLE = ['site.db', 'replica.db'] as const;
/** A database in WAL mode has these beside it. */
const COMPANIONS = ['', '-wal', '-shm'];

/** Both servers are off meanwhile. */
async function exchange({ primary, secondary }: Site, work: () => void): Promise<void> {
  await Promise.all([primary.kill(), secondary.kill()]);
  work();
  await Promise.all([primary.start(), secondary.start()]);
}

function save({ primary, secondary }: Site, to: string, databases: readonly string[]): void {
  for (const server of [primary, secondary]) {
    mkdirSync(join(to, server.name), { recursive: true });
    for (const file of databaseFiles(server, databases)) {
      copyFileSync(join(server.data, file), join(to, server.name, file));
    }
  }
}

function restore({ primary, secondary }: Site, from: string, databases: readonly string[]): void {
  for (const server of [primary, secondary]) {
    for (const file of databaseFiles(server, databases)) rmSync(join(server.data, file));
    const saved = readdirSync(join(from, server.name)).filter(file => isOf(file, databases));
    for (const file of saved) copyFileSync(join(from, server.name, file), join(server.data, file));
  }
}

function databaseFiles({ data }: Server, databases: readonly string[]): string[] {
  return readdirSync(data).filter(file => isOf(file, databases));
}

function isOf(file: string, databases: readonly string[]): boolean {
  return databases.some(database => COMPANIONS.some(companion => file === database + companion));
}

/** A thin client that runs, on the Primary, with two users in its cache, the first of whom is signed in. */
async function deviceWithUsers(site: Site, name: string): Promise<Agent> {
  const agent = await site.addAgent(name, GROUP);
  await agent.start();
  await waitUntilOn(agent, site.primary);
  await expectLogin(agent, BOB, ONLINE);
  await expectLogin(agent, ALICE, ONLINE);
  await agent.waitForStatus('to have handed on its events', ({ pendingEvents }) => pendingEvents === 0);
  return agent;
}

function revoke({ primary }: Site, { name }: Agent): Promise<string> {
  return primary.administer(['device', 'revoke', name]);
}

/** It was a mistake. The device serves again, and whoever was cached logs in online first. */
async function forgive(site: Site, agent: Agent): Promise<void> {
  await site.apply(JSON.stringify({ kind: 'Device', name: agent.name, body: { group: GROUP, revoked: false } }));
  await waitUntilOn(agent, site.primary);
  await expectLogin(agent, ALICE, ONLINE);
  await site.settle();
  await agent.stop();
}

/** What identifies users on this device's disk: their ids, and their profiles as they are sealed. */
function secretsHeld(agent: Agent): readonly Buffer[] {
  const logins = deviceRows(agent).filter(({ kind }) => kind === 'login');
  assert.equal(logins.length, 2);
  return logins.flatMap(({ ref, blob }) => [Buffer.from(ref), blob.subarray(0, 64)]);
}

async function expectForgotten(agent: Agent, secrets: readonly Buffer[]): Promise<void> {
  const holding = () =>
    filesUnder(agent.data).filter(file => {
      // What is taken away while this looks holds nothing.
      const content = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
      return secrets.some(secret => content.includes(secret));
    });
  await waitFor(
    `${agent.name} to have forgotten its users, with nothing of them in any file`,
    () => {
      const isLeft = deviceRows(agent).some(({ kind, key }) => kind !== 'device' || key === 'bundle');
      return isLeft || holding().length > 0 ? undefined : true;
    },
    undefined,
    () => holding().join(' '),
  );
}

/** The same device, asked for what no server will ever hear of. */
function withoutHistory({ name, data }: Agent, processes: Processes): Agent {
  return createAgentCommands(processes, name, data, { logins: [], versions: [] });
}

async function cut({ wires }: Site): Promise<void> {
  await Promise.all([wires?.primary.cut(), wires?.secondary.cut()]);
}

async function mend({ wires }: Site): Promise<void> {
  await Promise.all([wires?.primary.mend(), wires?.secondary.mend()]);
}
