import assert from 'node:assert/strict';
import { expectLogin } from '../support/logins.ts';
import type { Site } from '../support/site.ts';
import { waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB } from '../support/ward.ts';

/** A policy for all nurses. */
const nurses = (settings: object) => `
kind: Policy
name: access-of-nurses
body: ${JSON.stringify({ settings: { access: settings } })}
---
kind: Assignment
name: access-of-nurses
body: { policy: access-of-nurses, to: { userGroup: nurses } }
`;

async function whoIsWhere(site: Site, asked: 'primary' | 'secondary'): Promise<readonly string[]> {
  const { stdout } = await site[asked].thinman(['session', 'list', '-o', 'json']);
  const items = JSON.parse(stdout) as { user: string; device: string; server: string }[];
  return items.map(({ user, device, server }) => `${user} on ${device} by ${server}`).toSorted();
}

systemTest(
  'one session a user: it follows to where the user logs in',
  { agents: ['tc-1', 'tc-2'], wires: true },
  async site => {
    const [tc1, tc2] = [site.agent('tc-1'), site.agent('tc-2')];
    await site.apply(nurses({ maxSessions: 1 }));
    await expectLogin(tc1, ALICE, 'granted online by primary');

    const there = await tc2.login(ALICE.name, ALICE.password);
    assert.equal(there.answer?.verdict, 'granted');
    assert.deepEqual(
      there.answer?.profile?.connections.map(({ name }) => name).toSorted(),
      ['desktop', 'ward', 'wiki'],
      'the profile follows',
    );
    await tc1.waitForStatus('the older session to end', ({ session }) => session === null);
    assert.equal((await tc2.status()).session?.user, ALICE.name);

    for (const asked of ['primary', 'secondary'] as const) {
      await waitFor(`the ${asked} to know who is where`, async () =>
        (await whoIsWhere(site, asked)).join() === 'alice on tc-2 by primary' ? true : undefined,
      );
    }

    // The other way round, with the policy that refuses: told by whichever server is asked.
    await site.apply(nurses({ maxSessions: 1, whenTooMany: 'refuse' }));
    await expectLogin(tc1, ALICE, 'denied too_many_sessions online by primary');
    await tc2.logout();
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await tc1.logout();

    // While the servers do not see each other it is best effort: the one cannot know of a session that the other has opened …
    await site.secondary.kill();
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await tc1.freeze();
    await site.primary.kill();
    await site.secondary.start();
    await expectLogin(tc2, ALICE, /^granted \w+ by secondary$/);
    // … until the device tells it: then the older one counts again.
    tc1.thaw();
    await waitFor('both to be known', async () =>
      (await whoIsWhere(site, 'secondary')).join() === 'alice on tc-1 by secondary,alice on tc-2 by secondary'
        ? true
        : undefined,
    );
    await tc2.logout();
    await expectLogin(tc2, ALICE, /^denied too_many_sessions \w+ by secondary$/);
    assert.equal((await tc1.status()).session?.user, ALICE.name, 'nobody is thrown out for it');
    await site.primary.start();
    await Promise.all([waitUntilOn(tc1, site.primary), waitUntilOn(tc2, site.primary)]);
    await site.apply(nurses({ maxSessions: 1 }));
    await expectLogin(tc2, ALICE, 'granted online by primary');
    await tc1.waitForStatus('the older one to end', ({ session }) => session === null);
  },
);

systemTest('who may not log in here is told so by every server, and is not let in offline', {}, async site => {
  const tc1 = site.agent('tc-1');
  await expectLogin(tc1, ALICE, 'granted online by primary');
  await expectLogin(tc1, BOB, 'granted online by primary');
  await site.apply(nurses({ devices: ['another-device'] }));
  await tc1.waitForStatus('the session to end: the place is closed to its user', ({ session }) => session === null);
  await expectLogin(tc1, ALICE, 'denied not_permitted online by primary');

  await site.primary.kill();
  await expectLogin(tc1, ALICE, 'denied not_permitted online by secondary');
  await site.secondary.kill();
  await expectLogin(tc1, ALICE, 'denied offline_not_allowed offline');
  await expectLogin(tc1, BOB, 'denied offline_not_allowed offline');

  await site.secondary.start();
  await site.primary.start();
  await waitUntilOn(tc1, site.primary);
  await site.apply(nurses({ devices: null, hours: { times: [] } }));
  await expectLogin(tc1, ALICE, 'denied not_permitted online by primary');
  await site.apply(nurses({ hours: null }));
  await expectLogin(tc1, ALICE, 'granted online by primary');
});

systemTest(
  'a session that was ended stays ended over the restart of its server',
  { agents: ['tc-1', 'tc-2'] },
  async site => {
    const [tc1, tc2] = [site.agent('tc-1'), site.agent('tc-2')];
    await site.apply(nurses({ maxSessions: 1 }));
    await expectLogin(tc1, ALICE, 'granted online by primary');
    // Nobody else hears of it, and could tell it afterwards.
    await site.secondary.kill();
    await tc1.freeze();
    await expectLogin(tc2, ALICE, 'granted online by primary');
    await site.primary.kill();
    await site.primary.start();
    tc1.thaw();
    await tc1.waitForStatus('what it missed', ({ session }) => session === null);
    await site.secondary.start();
    assert.equal((await tc2.status()).session?.user, ALICE.name);
  },
);
