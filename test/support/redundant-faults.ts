// The faults of failover.md on HALF and FULL, each leaving the site as it found it: so that several kinds of database share them.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LAG_LIMIT_MS, type ServerStatus } from '@thinman/protocol';
import type { DatabaseServer } from './databases/database-server.ts';
import { expectAllOfIt, fillJournal } from './full-journal.ts';
import { startLogins } from './login-load.ts';
import { expectLogin } from './logins.ts';
import type { Full, Half } from './redundant-site.ts';
import type { Server } from './server-commands.ts';
import { type Site, waitUntilApplied, waitUntilOn } from './site.ts';
import { PATIENCE_MS } from './wait.ts';
import { ALICE, BOB, profile, user } from './ward.ts';

type FullFaults = Readonly<Record<string, (site: Site, on: Full) => Promise<void>>>;
type HalfFaults = Readonly<Record<string, (site: Site, on: Half) => Promise<void>>>;

/** Lag in these tests; the default of 30 s is long for each of them, and has its turn on MySQL 9 alone. */
export const SERVER_SETTINGS = { lagLimitMs: 2_000 } as const;

/** Devices go to the Secondary within this (failover.md, row 8), with its spread of up to 10 s at the defaults. */
const DEVICES_MOVED_MS = 20_000;
/** Administration without a database is answered within this (design.md, contract), and the command's own start. */
export const ADMINISTRATION_MS = 10_000 + 3_000;

export const isServing = ({ state }: ServerStatus) => state === 'serving';
export const isDegraded = ({ state }: ServerStatus) => state === 'degraded';

/** tc-1 and tc-2 are there; tc-2 has a person who logs in all the while. */
export async function whileLoggingIn(site: Site, work: () => Promise<void>): Promise<void> {
  const load = startLogins(site.agent('tc-2'), BOB);
  try {
    await work();
  } finally {
    await load.endAllGranted();
  }
}

/** Everything runs, is aligned, and every device is on the Primary within `movedMs`. */
export async function expectHealed(site: Site, movedMs = DEVICES_MOVED_MS): Promise<void> {
  const { generation } = await site.primary.waitForStatus('to serve again', isServing);
  for (const server of site.servers.filter(each => each !== site.primary)) {
    await server.waitForStatus(
      `to serve generation ${generation} again`,
      status => isServing(status) && status.generation >= generation,
    );
  }
  for (const agent of site.agents) await waitUntilOn(agent, site.primary, movedMs);
}

/** A write is refused for the database's sake, in time, and says so. */
export async function expectNoAdministration(site: Site): Promise<void> {
  const file = join(site.folder, 'refused.yaml');
  writeFileSync(file, 'kind: UserGroup\nname: refused\nbody: {}\n');
  const { code, stderr, elapsedMs } = await site.primary.thinman(['apply', '-f', file]);
  rmSync(file);
  assert.notEqual(code, 0);
  assert.match(stderr, /database/i);
  assert.ok(elapsedMs < ADMINISTRATION_MS, `it took ${elapsedMs} ms`);
}

/** `fail` stops the Master's database answering, `heal` brings it back. Somebody logs in all the while. */
export function withoutMaster(site: Site, fail: () => Promise<void>, heal: () => Promise<void>): Promise<void> {
  return whileLoggingIn(site, () => masterFails(site, fail, heal));
}

async function masterFails(site: Site, fail: () => Promise<void>, heal: () => Promise<void>): Promise<void> {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await fail();
  await site.primary.waitForStatus('to be degraded', isDegraded);
  await waitUntilOn(tc1, site.secondary, DEVICES_MOVED_MS);
  await expectLogin(tc1, ALICE, 'granted online by secondary');
  assert.equal((await site.secondary.status()).state, 'serving');
  await expectNoAdministration(site);
  await heal();
  await expectHealed(site);
  await expectLogin(tc1, ALICE, 'granted online by primary');
}

const FULL: FullFaults = {
  'row 1: the Primary is killed': async site => {
    const tc1 = site.agent('tc-1');
    await site.primary.kill();
    await expectLogin(tc1, ALICE, 'granted online by secondary');
    await expectLogin(tc1, BOB, 'granted online by secondary');
    assert.equal((await site.secondary.status()).state, 'serving');
    await site.primary.start();
    await expectHealed(site);
  },

  'row 3: the Primary hangs in the middle of a login': hangsInLogin,

  'row 8: the Master database is killed': (site, { pair }) => masterFails(site, pair.master.kill, pair.master.restart),

  'row 8: the Master database hangs': (site, { pair }) =>
    masterFails(site, pair.master.freeze, async () => pair.master.thaw()),

  'the Slave database is gone: nobody notices': async (site, { pair }) => {
    await fails(pair.slave);
    await site.secondary.waitForStatus('to be degraded', isDegraded);
    await expectLogin(site.agent('tc-1'), ALICE, 'granted online by primary');
    await site.apply(user(BOB));
    await comesBack(pair.slave);
    await expectHealed(site);
  },

  'row 10: all databases are gone, then the Primary is killed': async (site, { pair }) => {
    const tc1 = site.agent('tc-1');
    await Promise.all([fails(pair.master), fails(pair.slave)]);
    await site.primary.waitForStatus('to be degraded', isDegraded);
    await site.secondary.waitForStatus('to be degraded', isDegraded);
    await expectLogin(tc1, ALICE, /^granted degraded by/);
    await site.primary.kill();
    await expectLogin(tc1, ALICE, 'granted degraded by secondary');
    await Promise.all([comesBack(pair.slave), comesBack(pair.master)]);
    await site.primary.start();
    await expectHealed(site);
  },

  'row 11: replication stops, then the Primary dies': async (site, { pair }) => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await pair.breakReplication();
    await site.apply(profile(['ward', 'lagging']));
    await waitUntilApplied(site, tc1, ALICE.name);
    await site.secondary.waitForStatus('to be degraded by lag', isDegraded, LAG_LIMIT_MS + PATIENCE_MS);
    await expectMissing(site.secondary, 'Profile/nurses');
    await site.primary.kill();
    await expectLogin(tc1, ALICE, 'granted degraded by secondary');
    // It does not forget what it lacks.
    await site.secondary.kill();
    await site.secondary.start();
    assert.equal((await site.secondary.status()).state, 'degraded');
    await expectMissing(site.secondary, 'Profile/nurses');
    await pair.mendReplication();
    await site.secondary.waitForStatus('to serve: it has all that it has heard of', isServing);
    await site.primary.start();
    await expectHealed(site);
  },

  'row 12: the Primary is killed between commit and replication': async (site, { pair }) => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await pair.breakReplication('receiver');
    const name = `newest-${(await site.primary.status()).generation}`;
    await site.apply(profile(['ward', name]));
    await waitUntilApplied(site, tc1, ALICE.name);
    const before = await tc1.status();
    await site.primary.kill();
    const { profile: held } = await expectLogin(tc1, ALICE, /^granted (?:online|degraded) by secondary$/);
    assert.ok(JSON.stringify(held).includes(name), 'the device keeps the newer profile');
    const after = await tc1.status();
    assert.ok(after.generation >= before.generation);
    await pair.mendReplication();
    await site.primary.start();
    await expectHealed(site);
  },

  'row 13: a user is disabled while replication stands still, and the Primary dies': async (site, { pair }) => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await pair.breakReplication();
    await site.apply(user(ALICE, true));
    await tc1.waitForStatus('to have ended her session', ({ session }) => session === null);
    await site.primary.kill();
    // The Secondary would let her in by what it has; the device knows better.
    await expectLogin(tc1, ALICE, /^denied \w+ offline$/);
    await pair.mendReplication();
    await site.primary.start();
    await expectHealed(site);
    await expectLogin(tc1, ALICE, 'denied account_disabled online by primary');
    await site.apply(user(ALICE));
    await expectLogin(tc1, ALICE, 'granted online by primary');
  },

  'row 19: servers and databases are killed on the way of an event': (site, { pair }) =>
    killedOnTheWay(site, [pair.master, pair.slave]),
};

const HALF: HalfFaults = {
  'row 1: the Primary is killed': async site => {
    await site.primary.kill();
    await expectLogin(site.agent('tc-1'), ALICE, 'granted online by secondary');
    await site.primary.start();
    await expectHealed(site);
  },

  'row 3: the Primary hangs in the middle of a login': hangsInLogin,

  'row 9: the only database is killed': (site, { database }) => withoutDatabase(site, database, database.kill),

  'row 9: the only database hangs': (site, { database }) => withoutDatabase(site, database, database.freeze),

  'row 10: the database is killed, then the Primary': async (site, { database }) => {
    const tc1 = site.agent('tc-1');
    await database.kill();
    await site.secondary.waitForStatus('to be degraded', isDegraded);
    await site.primary.kill();
    await expectLogin(tc1, ALICE, 'granted degraded by secondary');
    await database.restart();
    await site.primary.start();
    await expectHealed(site);
  },

  'row 13: a user is disabled, and the Primary dies': async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.apply(user(ALICE, true));
    await tc1.waitForStatus('to have ended her session', ({ session }) => session === null);
    await site.primary.kill();
    await expectLogin(tc1, ALICE, /^denied account_disabled online by secondary$/);
    await site.primary.start();
    await site.apply(user(ALICE));
    await expectHealed(site);
    await expectLogin(tc1, ALICE, 'granted online by primary');
  },

  'row 18: the journal of the Primary fills while the database is away: nothing that it took is lost': async (
    site,
    { database },
  ) => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await database.kill();
    await site.primary.waitForStatus('to be degraded', isDegraded);
    const taken = await fillJournal(site.primary, tc1);
    await expectLogin(tc1, ALICE, 'granted degraded by secondary');
    await database.restart();
    await expectHealed(site);
    await expectAllOfIt(site, taken);
    await expectLogin(tc1, ALICE, 'granted online by primary');
  },

  'row 19: servers and the database are killed on the way of an event': (site, { database }) =>
    killedOnTheWay(site, [database]),
};

/** Moments after the start of a login at which its request may be under way, on a machine that is busy or not; ms. */
const IN_LOGIN_MS = [250, 450] as const;

/** One session and one event of each login, as always, are seen at the end of the test. */
async function hangsInLogin(site: Site): Promise<void> {
  const tc1 = site.agent('tc-1');
  for (const moment of IN_LOGIN_MS) {
    // Not a wait for something: the moment is what is tested.
    await Promise.all([expectLogin(tc1, ALICE, /^granted online by/), delay(moment).then(site.primary.freeze)]);
    assert.equal((await tc1.status()).session?.user, ALICE.name);
    await expectLogin(tc1, BOB, 'granted online by secondary');
    site.primary.thaw();
    await expectHealed(site);
  }
}

/** That every event is there exactly once is seen at the end of the test. */
async function killedOnTheWay(site: Site, databases: readonly DatabaseServer[]): Promise<void> {
  const tc1 = site.agent('tc-1');
  const victims: readonly { kill(): Promise<void>; back(): Promise<unknown> }[] = [
    ...site.servers.map(({ kill, start }) => ({ kill, back: start })),
    ...databases.map(({ kill, restart }) => ({ kill, back: restart })),
  ];
  for (const { kill, back } of victims) {
    await expectLogin(tc1, BOB, /^granted (?:online|degraded) by/);
    await kill();
    await expectLogin(tc1, BOB, /^granted (?:online|degraded) by/);
    await back();
  }
  await expectHealed(site);
}

async function withoutDatabase(site: Site, database: DatabaseServer, fail: () => Promise<void>): Promise<void> {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await fail();
  await site.primary.waitForStatus('to be degraded', isDegraded);
  await site.secondary.waitForStatus('to be degraded', isDegraded);
  await expectLogin(tc1, ALICE, 'granted degraded by primary');
  await expectNoAdministration(site);
  assert.equal((await tc1.status()).server?.name, 'primary', 'nobody moves');
  await comesBack(database);
  await expectHealed(site);
  await expectLogin(tc1, ALICE, 'granted online by primary');
}

/** Killed on MariaDB, hung on MySQL: where one of the two ways is enough for each. */
function fails(database: DatabaseServer): Promise<void> {
  return database.kind === 'mysql' ? database.freeze() : database.kill();
}

async function comesBack(database: DatabaseServer): Promise<void> {
  if (database.isRunning()) database.thaw();
  else await database.restart();
}

/** What people are told: the object by its name. */
async function expectMissing(server: Server, object: string): Promise<void> {
  const { code, stdout } = await server.ownStatus();
  assert.equal(code, 0);
  assert.ok(stdout.includes(object), `${object} is not named in: ${stdout}`);
}

/** Somebody logs in all the while, and gets in. */
function underLogins<S>(faults: Readonly<Record<string, (site: Site, on: S) => Promise<void>>>) {
  const under = ([name, fault]: [string, (site: Site, on: S) => Promise<void>]) =>
    [name, (site: Site, on: S) => whileLoggingIn(site, () => fault(site, on))] as const;
  return Object.fromEntries(Object.entries(faults).map(under));
}

export const FULL_FAULTS: FullFaults = underLogins(FULL);
export const HALF_FAULTS: HalfFaults = underLogins(HALF);
