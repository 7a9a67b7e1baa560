import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionsAnswer } from '@thinman/protocol';
import { createAgent } from '../../packages/agent/src/agent.ts';
import { jumpingClock } from '../support/jumping-clock.ts';
import { siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const PASSWORD = 'the-right-password';
const MINUTE_MS = 60_000;
const MINUTES = 5;

test('who leaves the device alone for as long as the policy says is logged out, here and at the server; who comes back in time is not', async () => {
  const site = await siteInProcess();
  try {
    await site.apply(
      { kind: 'User', name: 'alice', body: { password: PASSWORD } },
      { kind: 'Policy', name: 'idle', body: { settings: { session: { logoutAfterMinutes: MINUTES } } } },
      { kind: 'Assignment', name: 'idle', body: { policy: 'idle', to: { site: true } } },
    );
    const { dir } = await site.enrol('tc-1');
    const clock = jumpingClock();
    const agent = createAgent({ dataDir: dir, localSockets: false, random: () => 0, clock });
    await agent.start();
    await agent.ready();
    try {
      await waitFor('the bundle', () => (agent.status().generation > 0 ? true : undefined));
      assert.equal((await agent.login('alice', PASSWORD)).mode, 'online');
      const whoIsThere = async () =>
        (await site.primary.ask(SessionsAnswer, '/sessions')).items.map(({ user }) => user);
      await waitFor('the server to know', async () => ((await whoIsThere()).length === 1 ? true : undefined));

      agent.activity(true);
      clock.pass((MINUTES - 1) * MINUTE_MS);
      agent.activity(false);
      clock.pass(MINUTES * MINUTE_MS);
      clock.ring();
      assert.equal(agent.status().session?.user, 'alice', 'somebody is there');

      agent.activity(true);
      clock.pass((MINUTES - 1) * MINUTE_MS);
      // Said again, it does not begin anew.
      agent.activity(true);
      clock.ring();
      assert.equal(agent.status().session?.user, 'alice', 'not yet');
      clock.pass(MINUTE_MS + 1_000);
      clock.ring();
      await waitFor('the session to end', () => (agent.status().session === null ? true : undefined));
      await waitFor('the server to know', async () => ((await whoIsThere()).length === 0 ? true : undefined));
      assert.equal((await agent.login('alice', PASSWORD)).mode, 'online', 'and may log in again');
    } finally {
      await agent.stop();
    }
  } finally {
    await site.close();
  }
});
