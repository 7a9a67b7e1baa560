import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EMERGENCY_CHALLENGE_MS, EmergencyCodeAnswer, type EmergencyHours, type Problem } from '@thinman/protocol';
import { type Agent, createAgent } from '../../packages/agent/src/agent.ts';
import { type JumpingClock, jumpingClock } from '../support/jumping-clock.ts';
import { type LocalDevice, type LocalServer, type SiteInProcess, siteInProcess } from '../support/site-in-process.ts';
import { waitFor } from '../support/wait.ts';

const PASSWORD = 'the-right-password';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let site: SiteInProcess;
let secondary: LocalServer;
let device: LocalDevice;
let clock: JumpingClock;
let agent: Agent;

const start = async () => {
  agent = createAgent({ dataDir: device.dir, localSockets: false, random: () => 0, clock });
  await agent.start();
  await agent.ready();
};
/** While every server is dead. */
const logIn = async (password = PASSWORD) => {
  const { verdict, reason, mode } = await agent.login('alice', password);
  return [verdict, reason, mode];
};

function challenge(): string {
  const called = agent.emergency('alice');
  assert.ok(called.kind === 'answer' && called.answer.state === 'challenge', JSON.stringify(called));
  return called.answer.challenge;
}

/** By telephone: the device hears nothing of the server meanwhile. */
async function codeFor(digits: string, hours: EmergencyHours = 8, more = {}): Promise<string> {
  await agent.stop();
  await secondary.start();
  try {
    const body = { device: 'tc-1', user: 'alice', challenge: digits, hours, ...more };
    return (await secondary.ask(EmergencyCodeAnswer, '/emergency-code', body)).code;
  } finally {
    await secondary.stop();
    await start();
  }
}

before(async () => {
  site = await siteInProcess();
  secondary = await site.joinSecondary();
  await site.apply(
    { kind: 'User', name: 'alice', body: { password: PASSWORD } },
    { kind: 'User', name: 'gone', body: { disabled: true } },
  );
  device = await site.enrol('tc-1');
  clock = jumpingClock();
  await start();
  await waitFor('the bundle', () => (agent.status().generation > 0 ? true : undefined));
  const granted = await agent.login('alice', PASSWORD);
  assert.equal(granted.mode, 'online', JSON.stringify(granted));
  await waitFor('the Secondary to know it all', async () => {
    const has = secondary.running().status().generation;
    return has >= site.primary.running().status().generation ? true : undefined;
  });
  await secondary.stop();
  await site.primary.stop();
  await agent.logout();
  // A server's last word sets the clock: it must have been heard.
  await waitFor('it to be alone', () => (agent.status().mode === 'offline' ? true : undefined));
  // Longer than a cached login may age.
  clock.pass(8 * DAY_MS);
});
after(async () => {
  await agent.stop();
  await site.close();
});

describe('a code by telephone', () => {
  let used: string;

  test('is not there for a user who has not logged in here', () => {
    assert.deepEqual(agent.emergency('bob'), { kind: 'refused', code: 'no_cached_login' });
  });

  test('of any server lets in who could not any more, over a restart of the agent; a mistyped one does not', async () => {
    assert.deepEqual(await logIn(), ['denied', 'cached_login_expired', 'offline']);
    const digits = challenge();
    used = await codeFor(digits);
    // The agent was started anew meanwhile: the challenge is the same.
    assert.equal(challenge(), digits);
    const wrong = agent.emergency('alice', '0000000000');
    assert.ok(wrong.kind === 'refused' && wrong.code === 'emergency_invalid');
    assert.deepEqual(await logIn(), ['denied', 'cached_login_expired', 'offline']);
    assert.deepEqual(agent.emergency('alice', used), {
      kind: 'answer',
      answer: { state: 'accepted', user: 'alice', hours: 8 },
    });
    assert.deepEqual(await logIn(), ['granted', null, 'offline']);
  });

  test('is not the password', async () => {
    assert.deepEqual(await logIn('not-the-password'), ['denied', 'credentials_invalid', 'offline']);
  });

  test('holds for its hours, and is used up', async () => {
    clock.pass(7 * HOUR_MS);
    assert.deepEqual(await logIn(), ['granted', null, 'offline']);
    clock.pass(2 * HOUR_MS);
    assert.deepEqual(await logIn(), ['denied', 'cached_login_expired', 'offline']);
    challenge();
    const again = agent.emergency('alice', used);
    assert.equal(again.kind, 'refused');
  });

  test('is for a challenge of the last quarter of an hour, also over a restart', async () => {
    const digits = challenge();
    const late = await codeFor(digits);
    assert.equal(challenge(), digits, 'the telephone took no time yet');
    clock.pass(EMERGENCY_CHALLENGE_MS + 1_000);
    assert.equal(agent.emergency('alice', late).kind, 'refused');
    assert.deepEqual(await logIn(), ['denied', 'cached_login_expired', 'offline']);
    assert.notEqual(challenge(), digits);
    assert.equal(agent.emergency('alice', late).kind, 'refused', 'nor is it one for the next');
    await agent.stop();
    await start();
    assert.equal(agent.emergency('alice', late).kind, 'refused');
  });

  test('for another user, device or time opens nothing; five wrong ones end the challenge', async () => {
    const digits = challenge();
    const bobs = await codeFor(digits, 8, { user: 'bob' });
    // Two tries went to the code that came too late.
    for (const wrong of [bobs, '0000000000', '1111111111']) {
      assert.equal(agent.emergency('alice', wrong).kind, 'refused');
    }
    assert.notEqual(challenge(), digits);
  });

  test('is given for no revoked device and no disabled user, and every one is an event', async () => {
    await agent.stop();
    await site.primary.start();
    await secondary.start();
    const refusal = (body: object) =>
      site.primary.ask(EmergencyCodeAnswer, '/emergency-code', { challenge: '12345678', hours: 8, ...body }).then(
        () => 'given',
        (error: Error & { problem?: Problem }) => JSON.stringify(error.problem),
      );
    assert.match(await refusal({ device: 'tc-1', user: 'gone' }), /account_disabled/);
    assert.match(await refusal({ device: 'nobody', user: 'alice' }), /There is no Device/);
    const issued = await waitFor('the events of the Secondary', async () => {
      const events = await site.events('emergency.issued');
      return events.length === 3 ? events : undefined;
    });
    assert.deepEqual(issued.map(({ origin, user, data }) => [origin, user, data]).sort(), [
      ['server:secondary', 'alice', { device: 'tc-1', hours: 8, actor: 'local' }],
      ['server:secondary', 'alice', { device: 'tc-1', hours: 8, actor: 'local' }],
      ['server:secondary', 'bob', { device: 'tc-1', hours: 8, actor: 'local' }],
    ]);
    await start();
    const told = await waitFor('the events of the device', async () => {
      const events = await site.events('emergency.used');
      return events.length === 1 ? events : undefined;
    });
    assert.deepEqual(told[0]?.data, { hours: 8 });
    const logins = await site.events('login');
    assert.equal(logins.filter(({ data }) => data.emergency === true).length, 2);
    // A misheard name is said, and not refused: a server that is behind may not have heard of somebody yet.
    const asked = { device: 'tc-1', challenge: '12345678', hours: 8 };
    const unknown = async (user: string) =>
      (await site.primary.ask(EmergencyCodeAnswer, '/emergency-code', { ...asked, user })).userUnknown;
    assert.deepEqual([await unknown('alice'), await unknown('alicee')], [undefined, true]);
  });
});
