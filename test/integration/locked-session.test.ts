import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EffectiveSettings } from '@thinman/protocol';
import type { KeptSession } from '../../packages/agent/src/core/state.ts';
import type { SessionStore } from '../../packages/agent/src/ports.ts';
import type { OpenSession } from '../../packages/agent/src/runtime/session-watch.ts';
import { type ManualClock, manualClock } from '../support/manual-clock.ts';
import type { StoredDevice } from '../support/memory-cache.ts';
import { commit, type SiteView, siteWith } from '../support/model-site.ts';
import { simulate } from '../support/simulated-agent.ts';

const MINUTE_MS = 60_000;
const [PASSWORD, WRONG] = ['first-password', 'not-the-password'];
const site: SiteView = (() => {
  const one = siteWith('alice', PASSWORD);
  const { alice } = one.users;
  if (alice === undefined) throw new Error('no alice');
  const bob = { ...alice, name: 'bob', userId: '00000000-0000-4000-8000-00000000000b' };
  return { ...one, users: { alice, bob } };
})();

/** What stays on the disk of a device when its agent is killed. */
type Disk = { session: KeptSession | undefined; isOfThisBoot: boolean; device: StoredDevice | undefined };

function storeOf(disk: Disk): SessionStore {
  return {
    load: () => disk.session && { session: disk.session, isOfThisBoot: disk.isOfThisBoot },
    save(session) {
      disk.session = session;
    },
  };
}

async function start(disk: Disk, clock: ManualClock, settings: EffectiveSettings = {}, isAlone = false) {
  const { device } = disk;
  const world = simulate({
    ...{ clock, servers: ['primary', 'secondary'], view: site, settings: () => settings, sessions: storeOf(disk) },
    ...(device !== undefined && { device }),
  });
  disk.device = world.device;
  if (isAlone) for (const name of ['primary', 'secondary']) world.server(name).condition = 'dead';
  world.runner.start();
  await clock.advance(1_000);
  const soon = async <T>(work: Promise<T>): Promise<T> => {
    await clock.advance(5_000);
    return work;
  };
  return { ...world, soon };
}

async function signedIn(settings: EffectiveSettings = {}) {
  const disk: Disk = { session: undefined, isOfThisBoot: true, device: undefined };
  const clock = manualClock();
  const world = await start(disk, clock, settings);
  assert.equal((await world.soon(world.runner.login('alice', PASSWORD))).verdict, 'granted');
  return { disk, clock, ...world };
}
const view = ({ runner }: { runner: { status(): { session: unknown } } }) => runner.status().session;

test('a locked session goes on, and only the password of its user opens it: a wrong one ends nothing', async () => {
  const world = await signedIn();
  const { runner, soon, server, clock } = world;
  const since = runner.status().session?.since;
  runner.lock();
  assert.deepEqual(view(world), { user: 'alice', mode: 'online', since, locked: true });
  await clock.advance(45 * MINUTE_MS);
  assert.ok(server('primary').asked.includes('session'), 'its token is renewed meanwhile');

  const wrong = await soon(runner.unlock(WRONG));
  assert.deepEqual([wrong?.verdict, wrong?.reason], ['denied', 'credentials_invalid']);
  assert.equal(runner.status().session?.locked, true);
  const right = await soon(runner.unlock(PASSWORD));
  assert.equal(right?.verdict, 'granted');
  assert.deepEqual(view(world), { user: 'alice', mode: 'online', since });
});

test('unlocks offline by what is cached, and a wrong password is counted like at any login', async () => {
  const world = await signedIn();
  const { runner, soon, server, device } = world;
  for (const name of ['primary', 'secondary']) server(name).kill();
  runner.lock();
  assert.equal((await soon(runner.unlock(WRONG)))?.verdict, 'denied');
  assert.equal(device.failures.alice?.count, 1);
  assert.equal(runner.status().session?.locked, true);
  const right = await soon(runner.unlock(PASSWORD));
  assert.deepEqual([right?.verdict, right?.mode], ['granted', 'offline']);
  assert.equal(runner.status().session?.locked, undefined);
});

test('after a restart nothing of the session is handed out, nor the password for single sign-on, until it is unlocked', async () => {
  const ward = { name: 'ward', type: 'rdp', host: 'rds.example.org', sso: true } as const;
  const view = commit(site, 'alice', { connections: [ward] });
  const disk: Disk = { session: undefined, isOfThisBoot: true, device: undefined };
  const clock = manualClock();
  const begin = async () => {
    const handed: (OpenSession | null)[] = [];
    const world = simulate({
      ...{ clock, servers: ['primary'], view, sessions: storeOf(disk), onSession: each => handed.push(each) },
      ...(disk.device !== undefined && { device: disk.device }),
    });
    disk.device = world.device;
    world.runner.start();
    await clock.advance(2_000);
    return { runner: world.runner, handed };
  };
  const first = await begin();
  const login = first.runner.login('alice', PASSWORD);
  await clock.advance(2_000);
  await login;
  assert.equal(first.handed.at(-1)?.signOn()?.toString(), PASSWORD);

  const { runner, handed } = await begin();
  for (const password of [WRONG, PASSWORD]) {
    assert.deepEqual(handed, []);
    const unlocked = runner.unlock(password);
    await clock.advance(2_000);
    await unlocked;
  }
  assert.deepEqual(handed.at(-1)?.bundle.profile.connections, [ward]);
  assert.equal(handed.at(-1)?.signOn()?.toString(), PASSWORD);
});

test('is kept from everybody else by the policy, and not from its own user under another form of the name', async () => {
  const { alice } = site.users;
  assert.ok(alice);
  const users = { 'alice@lab.test': { ...alice, name: 'alice@lab.test', ofDirectory: true } };
  const clock = manualClock();
  const { runner, server } = simulate({
    ...{ clock, servers: ['primary'], view: { ...site, users } },
    settings: () => ({ 'session.unlockBy': 'same-user' }),
  });
  runner.start();
  await clock.advance(1_000);
  const logIn = async (user: string, password = PASSWORD) => {
    const login = runner.login(user, password);
    await clock.advance(5_000);
    return (await login).reason;
  };
  assert.equal(await logIn('alice@lab.test'), null);
  for (const isAlone of [false, true]) {
    if (isAlone) server('primary').kill();
    runner.lock();
    for (const other of ['bob', 'alice@other.test', 'OTHER\\alice']) {
      assert.equal(await logIn(other), 'session_locked', other);
    }
    assert.equal(await logIn('LAB\\Alice', WRONG), 'credentials_invalid', 'of the session, whoever else may be meant');
    assert.equal(runner.status().session?.locked, true);
    assert.equal(await logIn('LAB\\Alice'), null);
    assert.deepEqual([runner.status().session?.locked, runner.status().session?.user], [undefined, 'alice@lab.test']);
  }
});

test('nobody is unlocked where nobody is signed in', async () => {
  const { runner } = await start({ session: undefined, isOfThisBoot: true, device: undefined }, manualClock());
  assert.equal(await runner.unlock(PASSWORD), undefined);
  runner.lock();
  assert.equal(runner.status().session, null);
});

for (const isAlone of [false, true]) {
  test(`an agent that is started again ${isAlone ? 'with no server ' : ''}has its session, locked, until the password is typed`, async () => {
    const { disk, clock, runner: before } = await signedIn();
    const since = before.status().session?.since;
    // Killed: nothing of it is told, and nothing is cleared.
    const world = await start(disk, clock, {}, isAlone);
    const { runner, soon } = world;
    assert.deepEqual(view(world), { user: 'alice', mode: 'online', since, locked: true });
    assert.equal((await soon(runner.unlock(WRONG)))?.verdict, 'denied');
    assert.equal(runner.status().session?.locked, true);
    const right = await soon(runner.unlock(PASSWORD));
    assert.deepEqual([right?.verdict, right?.mode], ['granted', isAlone ? 'offline' : 'online']);
    assert.deepEqual(view(world), { user: 'alice', mode: isAlone ? 'offline' : 'online', since });
  });
}

test('what is kept of a session is who it is of and since when, and nothing else', async () => {
  const { disk, runner } = await signedIn();
  assert.deepEqual(Object.keys(disk.session ?? {}).toSorted(), [
    'credentialVersion',
    'loginId',
    'mode',
    'sinceWallMs',
    'user',
    'userId',
  ]);
  runner.logout();
  assert.equal(disk.session, undefined);
});

test('a session of before the machine was started anew is over, and that is told', async () => {
  const { disk, clock } = await signedIn();
  disk.isOfThisBoot = false;
  const world = await start(disk, clock);
  assert.equal(view(world), null);
  assert.equal(disk.session, undefined);
  await clock.advance(5_000);
  const ended = [...world.device.outbox, ...world.server('primary').events].find(each => each.type === 'session.ended');
  assert.equal(ended?.data.reason, 'device_restarted');
});

for (const [what, change] of [
  ['who is disabled', { disabled: true }],
  ['whose password is changed', { password: 'second-password', credentialVersion: 2 }],
] as const)
  test(`a user ${what} while the agent is away is not there any more`, async () => {
    const { disk, clock } = await signedIn();
    const world = simulate({
      ...{ clock, servers: ['primary'], view: commit(site, 'alice', change), sessions: storeOf(disk) },
      ...(disk.device !== undefined && { device: disk.device }),
    });
    world.runner.start();
    await clock.advance(2_000);
    assert.equal(world.runner.status().session, null);
  });

test('somebody else logs in past a locked screen, which ends that session, unless the policy keeps it', async () => {
  const open = await signedIn();
  open.runner.lock();
  assert.equal((await open.soon(open.runner.login('bob', PASSWORD))).verdict, 'granted');
  assert.deepEqual([open.runner.status().session?.user, open.runner.status().session?.locked], ['bob', undefined]);

  const kept = await signedIn({ 'session.unlockBy': 'same-user' });
  assert.equal(kept.runner.mayEnd(), true);
  kept.runner.lock();
  assert.equal(kept.runner.mayEnd(), false);
  const askedBefore = kept.server('primary').asked.length;
  const bob = await kept.soon(kept.runner.login('bob', PASSWORD));
  assert.deepEqual([bob.verdict, bob.reason], ['denied', 'session_locked']);
  assert.ok(!kept.server('primary').asked.slice(askedBefore).includes('login'), 'nobody was asked');
  assert.equal(kept.runner.status().session?.user, 'alice');
  assert.equal((await kept.soon(kept.runner.login('alice', PASSWORD))).verdict, 'granted');
  assert.equal((await kept.soon(kept.runner.login('bob', PASSWORD))).verdict, 'granted', 'unlocked: as ever');
});

test('left alone it locks after the minutes of the policy, ten without one, and who comes back before them is in', async () => {
  const locksAfter = async (settings: EffectiveSettings, minutes: number) => {
    const { runner, clock } = await signedIn(settings);
    const isLocked = () => runner.status().session?.locked === true;
    runner.activity(true);
    await clock.advance(minutes * MINUTE_MS - 2_000);
    runner.activity(false);
    await clock.advance(5_000);
    assert.equal(isLocked(), false);
    runner.activity(true);
    await clock.advance(minutes * MINUTE_MS - 2_000);
    // Said again it begins no later.
    runner.activity(true);
    assert.equal(isLocked(), false);
    await clock.advance(2_000);
    assert.equal(isLocked(), true);
    runner.activity(false);
    assert.equal(isLocked(), true, 'a moved mouse opens nothing');
  };
  await locksAfter({}, 10);
  await locksAfter({ 'session.lockAfterMinutes': 3 }, 3);
  const { runner, clock } = await signedIn({ 'session.lockAfterMinutes': 0 });
  runner.activity(true);
  await clock.advance(24 * 60 * MINUTE_MS);
  assert.equal(runner.status().session?.locked, undefined);
});
