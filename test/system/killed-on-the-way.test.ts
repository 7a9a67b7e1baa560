import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../support/agent-commands.ts';
import { expectLogin, recordedLogins } from '../support/logins.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, BOB } from '../support/ward.ts';

// Row 19: kill -9 at the points of an event's way. `systemTest` checks at the end that each login is there exactly once.

async function expectRecorded(site: Site, agent: Agent, logins: number): Promise<void> {
  await site.settle();
  assert.equal(recordedLogins(await site.primary.events(), agent).length, logins);
}

systemTest('row 19: the agent is killed when the login is answered and its event is in the outbox', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await tc1.kill();
  await tc1.start();
  await waitUntilOn(tc1, site.primary);
  await expectRecorded(site, tc1, 1);
});

systemTest(
  'row 19: the agent is killed with offline logins in the outbox while every server is dead',
  {},
  async site => {
    const tc1 = site.agent('tc-1');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await site.primary.kill();
    await site.secondary.kill();
    await expectLogin(tc1, ALICE, 'granted offline');
    await expectLogin(tc1, BOB, 'denied no_cached_login offline');
    await tc1.kill();
    assert.match(await tc1.start(), /^READY mode=offline\b/);
    await expectLogin(tc1, ALICE, 'granted offline');
    await site.primary.start();
    await site.secondary.start();
    await waitUntilOn(tc1, site.primary);
    await expectRecorded(site, tc1, 4);
  },
);

systemTest('row 19: the Primary is killed when it has answered a login', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await site.primary.kill();
  await site.primary.start();
  await waitUntilOn(tc1, site.primary);
  await expectRecorded(site, tc1, 1);
});

systemTest('row 19: the Secondary is killed with what the Primary has not got yet', {}, async site => {
  const tc1 = site.agent('tc-1');
  await site.primary.kill();
  await expectLogin(tc1, ALICE, 'granted online by secondary');
  await expectLogin(tc1, BOB, 'granted online by secondary');
  await tc1.waitForStatus('to have handed on its events', ({ pendingEvents }) => pendingEvents === 0);
  const { journalPending } = await site.secondary.status();
  assert.ok(journalPending >= 4, `two logins are four events; ${journalPending} are in the Secondary's journal`);
  await site.secondary.kill();
  await site.secondary.start();
  assert.equal((await site.secondary.status()).journalPending >= journalPending, true);

  // The Primary dies once more while it is being told.
  await site.primary.start();
  await site.primary.kill();
  await site.primary.start();
  await waitUntilOn(tc1, site.primary);
  await expectRecorded(site, tc1, 2);
});

/** Moments after the start of a login, over its whole length and what follows; ms. */
const MOMENTS_MS = [100, 200, 300, 400, 600];

systemTest('row 19: the agent or a server is killed at any moment of a login', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  for (const victim of [tc1, site.primary, site.secondary]) {
    for (const moment of MOMENTS_MS) {
      // Not a wait for something: the moment is what is tested.
      const [login] = await Promise.all([tc1.login(ALICE.name, ALICE.password), delay(moment).then(victim.kill)]);
      if (victim !== tc1) assert.equal(login.code, 0, `${victim.name} killed after ${moment} ms: ${login.stderr}`);
      await victim.start();
    }
  }
  await waitUntilOn(tc1, site.primary);
});
