import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { EmergencyCodeAnswer, LOCAL_PATHS, LocalEmergencyAnswer } from '@thinman/protocol';
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

/** `POST /v1/emergency` at one of the device's sockets, in the words that it answers. */
function tryCode(socketPath: string, user: string, code: string): Promise<string> {
  const body = JSON.stringify({ user, code });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    request({ socketPath, method: 'POST', path: LOCAL_PATHS.emergency, headers, agent: false }, response => {
      text(response).then(said => {
        const { state, detail } = JSON.parse(said) as { readonly state?: string; readonly detail?: string };
        resolve(state ?? detail?.replace('ask for a new challenge: ', '') ?? said);
      }, reject);
    })
      .once('error', reject)
      .end(body);
  });
}

function counted(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

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

      // Over both sockets at the same time there are five tries in all.
      const sockets = ['control.sock', 'login.sock', 'control.sock', 'login.sock'].map(name => join(tc1.data, name));
      const third = await challengeOf(tc1, BOB.name);
      const atOnce = (codes: readonly string[]) =>
        Promise.all(codes.flatMap(code => sockets.map(socket => tryCode(socket, BOB.name, code))));
      assert.deepEqual(counted(await atOnce(['55555-55555', '66666-66666'])), {
        'the last one is over': 3,
        'ask for a new challenge': 1,
        ...Object.fromEntries([1, 2, 3, 4].map(left => [`${left} more tries with this challenge`, 1])),
      });
      const late = await call(BOB.name, third.challenge);
      assert.deepEqual(counted(await atOnce([late])), { 'the last one is over': 4 });
      // And one use.
      const fourth = await challengeOf(tc1, BOB.name);
      assert.notEqual(fourth.challenge, third.challenge);
      const right = await call(BOB.name, fourth.challenge);
      assert.deepEqual(counted(await atOnce([right])), { accepted: 1, 'the last one is over': 3 });
      await expectLogin(tc1, BOB, 'granted offline');
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
    assert.deepEqual([count('emergency.issued'), count('emergency.used')], [codes.length, 2]);
    assert.deepEqual(
      findSecrets(
        [tc1.data, site.primary.data, site.secondary.data],
        codes.flatMap(code => [code, code.replace('-', '')]),
      ),
      [],
    );
  },
);
