// Rows of failover.md with users of a directory (a real slapd): what is the directory's alone is seen in its own log.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LoginHours } from '@thinman/protocol';
import type { Agent } from '../support/agent-commands.ts';
import { NO_WRONG_CLOCKS, RIGHT, wrongClock } from '../support/clocks.ts';
import { deviceRows } from '../support/device-rows.ts';
import {
  ALICE_OF_LAB as ALICE,
  applyDirectory,
  BOB_OF_LAB as BOB,
  profileOfStaff,
  shutOut,
  surroundDirectory,
  type WithDirectory,
} from '../support/directories/directory-site.ts';
import { expectLogin, LOGIN_DEADLINE_MS, recordedLogins } from '../support/logins.ts';
import { inTurn } from '../support/redundant-test.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { onSiteIn } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { GROUP } from '../support/ward.ts';

const ONLINE = /^granted online by/;
/** One below the five failures after which the server or the device makes the user wait. */
const FAILURES = 4;
/** Of a controller that asks another one; more than the second after which these devices hedge. */
const SLOW_BIND_MS = 1_600;

type Stories = Readonly<Record<string, (site: Site, on: WithDirectory) => Promise<void>>>;

type Person = { readonly name: string; readonly password: string };

/** The row is sealed after the answer, with a key of the device's own. */
async function loginAndKeep(agent: Agent, user: Person, expected: string | RegExp): Promise<void> {
  await expectLogin(agent, user, expected);
  await waitFor(`${user.name} to be cached on ${agent.name}`, () =>
    deviceRows(agent).some(({ kind, key }) => kind === 'login' && key === user.name) ? true : undefined,
  );
}

/** As it lies on the disk. */
function rowOf(agent: Agent): Buffer {
  return deviceRows(agent).find(({ kind, key }) => kind === 'login' && key === ALICE.name)?.blob ?? Buffer.alloc(0);
}

async function online(site: Site): Promise<Agent> {
  const tc1 = site.agent('tc-1');
  await waitUntilOn(tc1, site.primary);
  return tc1;
}

const STORIES: Stories = {
  'row 7: a wrong password is one 401 of one server and one bind; neither the other nor the cache is asked': async (
    site,
    { slapd },
  ) => {
    const tc1 = await online(site);
    const wrong = { ...BOB, password: 'not-his-password' };
    await loginAndKeep(tc1, BOB, 'granted online by primary');
    const before = slapd.binds('uid=bob,');
    for (let failure = 0; failure < FAILURES; failure++) {
      await expectLogin(tc1, wrong, 'denied credentials_invalid online by primary');
    }
    assert.equal(slapd.binds('uid=bob,'), before + FAILURES);
    await site.settle();
    const failed = recordedLogins(await site.primary.events(), tc1).slice(-FAILURES);
    assert.deepEqual(
      failed.map(({ answers }) => answers),
      Array.from({ length: FAILURES }, () => ['primary: denied credentials_invalid']),
    );
    // Had the device counted them too, these would exhaust its own five attempts.
    await site.apart(async () => {
      for (let failure = 0; failure < FAILURES; failure++) {
        await expectLogin(tc1, wrong, 'denied credentials_invalid offline');
      }
      await expectLogin(tc1, BOB, 'granted offline');
    });
  },

  'row 6: both servers dead, and hanging: the offline login': async site => {
    const tc1 = await online(site);
    const inOtherWords = { ...ALICE, name: 'LAB\\alice' };
    await loginAndKeep(tc1, inOtherWords, ONLINE);
    await loginAndKeep(tc1, ALICE, ONLINE);
    await Promise.all([site.primary.freeze(), site.secondary.freeze()]);
    await expectLogin(tc1, ALICE, 'granted offline');
    for (const server of site.servers) server.thaw();
    await waitUntilOn(tc1, site.primary);

    await Promise.all([site.primary.kill(), site.secondary.kill()]);
    await tc1.waitForStatus('to be offline', ({ mode }) => mode === 'offline');
    const offline = await expectLogin(tc1, ALICE, 'granted offline');
    await expectLogin(tc1, inOtherWords, 'granted offline');
    assert.ok(offline.elapsedMs < LOGIN_DEADLINE_MS / 2, `it waited ${offline.elapsedMs} ms for dead servers`);
    await expectLogin(tc1, { ...ALICE, password: 'not-her-password' }, 'denied credentials_invalid offline');
    await expectLogin(tc1, { ...ALICE, name: 'u1@lab.test' }, 'denied no_cached_login offline');
    await Promise.all([site.secondary.start(), site.primary.start()]);
    await waitUntilOn(tc1, site.primary);
  },

  'row 12: the Secondary has an older profile when the Primary dies: the device keeps the newer': async site => {
    const tc1 = await online(site);
    await loginAndKeep(tc1, ALICE, ONLINE);
    await site.secondary.freeze();
    await site.apply(profileOfStaff(['ward', 'newest']));
    const { generation } = await site.primary.status();
    await tc1.waitForStatus('to hold it', status => status.generation >= generation);
    const before = await tc1.status();
    await site.primary.kill();
    site.secondary.thaw();
    const { profile } = await expectLogin(tc1, ALICE, /^granted (?:online|degraded) by secondary$|^granted offline$/);
    assert.ok(JSON.stringify(profile).includes('newest'));
    assert.ok((await tc1.status()).generation >= before.generation);
    await site.primary.start();
    await waitUntilOn(tc1, site.primary);
  },

  'row 13: shut out in the directory during a partition: in offline, and out on reconnection': async (site, on) => {
    const tc1 = await online(site);
    await loginAndKeep(tc1, ALICE, ONLINE);
    await site.apart(async () => {
      await shutOut(on, 'alice');
      await expectLogin(tc1, ALICE, 'granted offline');
    });
    await tc1.waitForStatus('to have ended her session', ({ session, mode }) => mode === 'online' && session === null);
    await waitUntilOn(tc1, site.primary);
    await expectLogin(tc1, ALICE, 'denied account_expired online by primary');
    await shutOut(on, 'alice', false);
    await loginAndKeep(tc1, ALICE, ONLINE);
  },

  'row 13: disabled by the site before the partition: denied by the device itself, under each of her names':
    async site => {
      const tc1 = await online(site);
      await loginAndKeep(tc1, ALICE, ONLINE);
      const disabled = (is: boolean) => JSON.stringify({ kind: 'User', name: ALICE.name, body: { disabled: is } });
      await site.apply(disabled(true));
      // The device knows her by one name, and hears of it when she types the other.
      await expectLogin(tc1, { ...ALICE, name: 'LAB\\alice' }, /^denied account_disabled online by/);
      await site.apart(() => expectLogin(tc1, ALICE, /^denied \w+ offline$/));
      await site.apply(disabled(false));
      await waitUntilOn(tc1, site.primary);
      await loginAndKeep(tc1, ALICE, ONLINE);
    },

  'the directory hangs: the next server is asked, then the device decides; nobody is told of a wrong password': async (
    site,
    { slapd },
  ) => {
    const tc1 = await online(site);
    await loginAndKeep(tc1, ALICE, ONLINE);
    await slapd.process().freeze();
    try {
      await expectLogin(tc1, ALICE, 'granted offline');
      await expectLogin(tc1, { ...ALICE, name: 'u2@lab.test' }, 'denied no_cached_login offline');
    } finally {
      slapd.process().signal('SIGCONT');
    }
    await waitFor('the directory', async () => {
      const { answer } = await tc1.login(ALICE.name, ALICE.password);
      return answer?.verdict === 'granted' && answer.mode === 'online' ? true : undefined;
    });
  },

  'a bind that takes longer than the hedge delay is one bind of one server, while that server lives': async (
    site,
    { slapd, wire },
  ) => {
    const tc1 = await online(site);
    for (const [user, password, expected] of [
      ['u3', 'wrong-password', 'denied credentials_invalid online by primary'],
      ['u4', ALICE.password, 'granted online by primary'],
    ] as const) {
      const [, { elapsedMs }] = await Promise.all([
        wire.hold(`uid=${user},`, SLOW_BIND_MS),
        expectLogin(tc1, { name: `${user}@lab.test`, password }, expected),
      ]);
      assert.ok(elapsedMs >= SLOW_BIND_MS);
      assert.equal(slapd.binds(`uid=${user},`), 1);
    }
  },

  'the Primary hangs, or is killed, while a password is bound: the Secondary is asked, once': async (
    site,
    { slapd, wire },
  ) => {
    const tc1 = await online(site);
    for (const [user, password, fail] of [
      ['u5', 'wrong-password', site.primary.freeze],
      ['u6', 'wrong-password', site.primary.kill],
      ['u7', ALICE.password, site.primary.kill],
    ] as const) {
      await waitUntilOn(tc1, site.primary);
      const expected = password === ALICE.password ? 'granted' : 'denied credentials_invalid';
      await Promise.all([
        wire.hold(`uid=${user},`, SLOW_BIND_MS).then(fail),
        expectLogin(tc1, { name: `${user}@lab.test`, password }, `${expected} online by secondary`),
      ]);
      if (site.primary.isRunning()) site.primary.thaw();
      else await site.primary.start();
      await waitUntilOn(tc1, site.primary);
      assert.equal(slapd.binds(`uid=${user},`), 2, 'one of each server, as the first does not live');
    }
  },

  'row 15: a revoked device forgets them, and lets nobody in, online or offline': async site => {
    const tc1 = await online(site);
    await loginAndKeep(tc1, ALICE, ONLINE);
    await site.settle();
    await site.primary.administer(['device', 'revoke', 'tc-1']);
    await tc1.waitForStatus('to have ended the session', ({ session }) => session === null);
    await waitFor('it to have forgotten', () =>
      deviceRows(tc1).every(({ kind }) => kind !== 'login') ? true : undefined,
    );
    await expectLogin(tc1, ALICE, /^denied device_revoked online by/);
    await site.apart(() => expectLogin(tc1, ALICE, 'denied no_cached_login offline'));
    await site.apply(JSON.stringify({ kind: 'Device', name: 'tc-1', body: { group: GROUP, revoked: false } }));
    await waitUntilOn(tc1, site.primary);
    await loginAndKeep(tc1, ALICE, ONLINE);
  },
};

/** Row 16, of a device of its own. */
const CLOCKS: Stories = {
  'row 16: 30 days ahead, back, and a dead clock at boot: as the clock rule says': async site => {
    const clock = wrongClock(join(site.folder, 'tc-clock.clock'));
    clock.set(RIGHT);
    const agent = await site.addAgent('tc-clock', GROUP, clock.environment);
    const boot = async (at: string) => {
      await agent.stop();
      clock.set(at);
      await agent.start();
    };
    await agent.start();
    await waitUntilOn(agent, site.primary);
    await loginAndKeep(agent, ALICE, ONLINE);
    for (const [at, offline] of [
      ['+30d', 'denied cached_login_expired offline'],
      ['-30d', 'granted offline'],
      ['@1970-01-01 00:00:00', 'granted offline'],
    ] as const) {
      await site.apart(async () => {
        await boot(at);
        await expectLogin(agent, ALICE, offline);
      });
      await waitUntilOn(agent, site.primary);
      await expectLogin(agent, ALICE, ONLINE);
    }
    await boot(RIGHT);
    await waitUntilOn(agent, site.primary);

    // The same device: the hours of the site hold where nobody can be asked, by the time that it trusts.
    await site.apply(
      hoursOfStaff({ timeZone: 'UTC', times: [{ days: daysAround(Date.now()), from: '00:00', to: '00:00' }] }),
    );
    const before = rowOf(agent);
    await expectLogin(agent, ALICE, ONLINE);
    await waitFor('the row with the hours in it', () => (rowOf(agent).equals(before) ? undefined : true));
    for (const [at, offline] of [
      ['+3d', 'denied not_permitted offline'],
      [RIGHT, 'granted offline'],
    ] as const) {
      await site.apart(async () => {
        await boot(at);
        await expectLogin(agent, ALICE, offline);
      });
      await waitUntilOn(agent, site.primary);
    }
    await site.apply(hoursOfStaff(null));
  },
};

function hoursOfStaff(hours: LoginHours | null): string {
  return [
    { kind: 'Policy', name: 'hours-of-staff', body: { settings: { access: { hours } } } },
    { kind: 'Assignment', name: 'hours-of-staff', body: { policy: 'hours-of-staff', to: { userGroup: 'staff' } } },
  ]
    .map(object => JSON.stringify(object))
    .join('\n---\n');
}

/** Yesterday, today and tomorrow. */
function daysAround(nowMs: number): LoginHours['times'][number]['days'] {
  const week = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
  const today = new Date(nowMs).getUTCDay();
  return [6, 0, 1].map(off => week[(today + off) % week.length] ?? 'sunday');
}

const stories = { ...STORIES, ...(NO_WRONG_CLOCKS === false ? CLOCKS : {}) };

test('users of a directory under the faults of the table', t =>
  onSiteIn(surroundDirectory, { wires: true }, async (site, on) => {
    await applyDirectory(site, on);
    await inTurn(t, stories, [site, on]);
  }));
