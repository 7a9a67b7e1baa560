import assert from 'node:assert/strict';
import { EmergencyCodeAnswer, LocalEmergencyAnswer } from '@thinman/protocol';
import type { Agent } from '../support/agent-commands.ts';
import { findSecrets } from '../support/canaries.ts';
import { asPromised } from '../support/contract.ts';
import { expireCachedLogins, helpdesk } from '../support/emergency.ts';
import { expectLogin } from '../support/logins.ts';
import { type Site, waitUntilOn } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { ALICE, BOB, user } from '../support/ward.ts';

const WRONG = ['00000-00000', '11111-11111', '22222-22222', '33333-33333', '44444-44444'] as const;

async function challengeOf(agent: Agent, name: string) {
  const { code, stdout, stderr } = await agent.command('emergency', ['--user', name, '--json']);
  assert.equal(code, 0, stderr);
  const answer = asPromised(LocalEmergencyAnswer, stdout);
  assert.ok(answer.state === 'challenge', stdout);
  return answer;
}

/** As somebody pulls the plug after each step. */
async function killed(agent: Agent): Promise<void> {
  await agent.kill();
  await agent.start();
}

const isolated = (site: Site) => site.apart.bind(site);

systemTest(
  'a code by telephone lets in whose device was away for too long, and nothing else',
  { wires: true },
  async (site, processes) => {
    const tc1 = site.agent('tc-1');
    const enter = (name: string, code: string) =>
      processes.run('thinman-agent', ['emergency', '--data', tc1.data, '--user', name, '--code-stdin', '--json'], {
        input: code,
      });
    const codes: string[] = [];
    const call = async (who: string, digits: string, server = site.secondary) => {
      const { code, stdout, stderr } = await helpdesk(processes, server, {
        device: 'tc-1',
        user: who,
        challenge: digits,
      });
      if (code !== 0) return stderr;
      codes.push(asPromised(EmergencyCodeAnswer, stdout).code);
      return codes.at(-1) ?? '';
    };

    await expireCachedLogins(site);
    await expectLogin(tc1, BOB, 'granted online by primary');
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await isolated(site)(async () => {
      await expectLogin(tc1, ALICE, 'denied cached_login_expired offline');

      // What was shown is what holds, and a try that was taken is taken, over kill -9.
      const first = await challengeOf(tc1, ALICE.name);
      assert.equal(first.triesLeft, 5);
      assert.equal((await enter(ALICE.name, WRONG[0])).code, 1);
      await killed(tc1);
      const second = await challengeOf(tc1, ALICE.name);
      assert.deepEqual([second.challenge, second.triesLeft], [first.challenge, 4]);
      // A mistyped one that can be none costs nothing.
      assert.equal((await enter(ALICE.name, 'ABC')).code, 1);
      assert.equal((await challengeOf(tc1, ALICE.name)).triesLeft, 4);

      // The code of somebody else's call is none here.
      assert.equal((await enter(ALICE.name, await call(BOB.name, first.challenge))).code, 1);
      const code = await call(ALICE.name, first.challenge);
      await expectLogin(tc1, ALICE, 'denied cached_login_expired offline');
      const accepted = await enter(ALICE.name, code.toLowerCase().replace('-', ' '));
      assert.deepEqual(asPromised(LocalEmergencyAnswer, accepted.stdout), {
        state: 'accepted',
        user: ALICE.name,
        hours: 8,
      });
      await killed(tc1);
      await expectLogin(tc1, { ...ALICE, password: BOB.password }, 'denied credentials_invalid offline');
      await expectLogin(tc1, ALICE, 'granted offline');
      assert.equal((await enter(ALICE.name, code)).code, 1, 'it is used up');

      // Five tries, each killed: then a challenge anew, for which the code of the old one is none.
      await expectLogin(tc1, BOB, 'denied cached_login_expired offline');
      const bobs = await challengeOf(tc1, BOB.name);
      for (const wrong of WRONG) {
        assert.equal((await enter(BOB.name, wrong)).code, 1);
        await killed(tc1);
      }
      assert.equal((await enter(BOB.name, await call(BOB.name, bobs.challenge, site.primary))).code, 1);
      assert.notEqual((await challengeOf(tc1, BOB.name)).challenge, bobs.challenge);
      await expectLogin(tc1, BOB, 'denied cached_login_expired offline');
    });
    await waitUntilOn(tc1, site.primary);

    // A word about the user that the device has heard is not lifted, though somebody had a code before.
    await expectLogin(tc1, BOB, 'granted online by primary');
    await site.apply(user(BOB, true));
    await tc1.waitForStatus('to have ended the session of the disabled user', ({ session }) => session === null);
    await isolated(site)(async () => {
      const refused = await tc1.command('emergency', ['--user', BOB.name, '--json']);
      assert.equal(refused.code, 1, refused.stdout);
      await expectLogin(tc1, BOB, /^denied \w+ offline$/);
      assert.match(await call(BOB.name, '12345678', site.primary), /account_disabled/);
    });
    await waitUntilOn(tc1, site.primary);
    await site.settle();
    const events = await site.primary.events();
    const count = (type: string) => events.filter(event => event.type === type).length;
    assert.deepEqual([count('emergency.issued'), count('emergency.used')], [codes.length, 1]);
    assert.deepEqual(
      findSecrets(
        [tc1.data, site.primary.data, site.secondary.data],
        codes.flatMap(code => [code, code.replace('-', '')]),
      ),
      [],
    );
  },
);
