import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeptSession } from '../../packages/agent/src/core/state.ts';
import type { OpenSession } from '../../packages/agent/src/runtime/session-watch.ts';
import { manualClock } from '../support/manual-clock.ts';
import { type SiteView, siteWith } from '../support/model-site.ts';
import { simulate } from '../support/simulated-agent.ts';

const PASSWORD = 'first-password';
const site: SiteView = (() => {
  const one = siteWith('alice', PASSWORD);
  const { alice } = one.users;
  if (alice === undefined) throw new Error('no alice');
  return { ...one, users: { alice, bob: { ...alice, name: 'bob', userId: '00000000-0000-4000-8000-00000000000b' } } };
})();

/** A device of which a login's consequences wait until `catchUp`. */
async function start(isOffline = false) {
  const clock = manualClock();
  const handed: (string | null)[] = [];
  let waiting: (() => void)[] = [];
  let onDisk: KeptSession | undefined;
  let isHeldBack = isOffline;
  let isDiskBroken = false;
  const world = simulate({
    ...{ clock, servers: ['primary'], view: site },
    onSession: (session: OpenSession | null) => handed.push(session?.userId.at(-1) ?? null),
    sessions: {
      load: () => undefined,
      save(session) {
        if (isDiskBroken) throw new Error('the disk is broken');
        onDisk = session;
      },
    },
    behindAnswer: work => (isHeldBack ? waiting.push(work) : work()),
  });
  if (isOffline) world.server('primary').condition = 'dead';
  world.runner.start();
  await clock.advance(1_000);
  return {
    ...world,
    handed,
    clock,
    onDisk: () => onDisk?.user,
    holdBack() {
      isHeldBack = true;
    },
    breakDisk(isBroken: boolean) {
      isDiskBroken = isBroken;
    },
    catchUp() {
      for (const work of waiting.splice(0)) work();
      waiting = [];
    },
    async login(user: string) {
      const login = world.runner.login(user, PASSWORD);
      await clock.advance(50);
      return login;
    },
  };
}

test('a login is answered when its row and its event are on the disk; applying, telling and tidying come behind', async () => {
  const { login, holdBack, catchUp, handed, onDisk, device, server, clock, defects } = await start();
  holdBack();
  const askedBefore = server('primary').asked.length;
  assert.equal((await login('alice')).verdict, 'granted');
  assert.ok(device.logins.alice !== undefined && device.outbox.some(({ type }) => type === 'login'), 'on the disk');
  assert.deepEqual(handed, []);
  assert.equal(onDisk(), undefined);
  assert.deepEqual(server('primary').asked.slice(askedBefore), ['ping', 'begin', 'login']);
  catchUp();
  await clock.advance(50);
  assert.deepEqual([handed.length, onDisk()], [1, 'alice']);
  assert.ok(server('primary').asked.slice(askedBefore).includes('events'));
  assert.deepEqual(defects, []);
});

test('the session that a login ends is told with it: one is not on the disk without the other', async () => {
  const { login, holdBack, device } = await start();
  await login('alice');
  holdBack();
  for (const kind of ['login', 'session.ended'])
    assert.ok(!device.outbox.some(({ type, user }) => type === kind && user === 'bob'));
  await login('bob');
  const told = device.outbox.map(({ type, user }) => `${type} ${user}`);
  assert.deepEqual(told.slice(-2), ['login bob', 'session.ended alice']);
});

test('whoever asks, or happens, next finds nothing undone', async () => {
  const { login, holdBack, runner, handed, onDisk } = await start();
  holdBack();
  await login('alice');
  runner.catchUp();
  assert.deepEqual([handed.length, onDisk()], [1, 'alice']);
  await login('alice');
  runner.logout();
  assert.deepEqual([handed.at(-1), onDisk(), runner.status().session], [null, undefined, null]);
  await login('alice');
  runner.stop();
  assert.equal(handed.at(-1), null);
});

test('the person before is not found again, wherever the agent is killed after the next one was let in', async () => {
  const { login, holdBack, catchUp, onDisk } = await start();
  await login('alice');
  assert.equal(onDisk(), 'alice');
  holdBack();
  await login('alice');
  assert.equal(onDisk(), 'alice', 'a login of the same person takes nothing away');
  await login('bob');
  assert.equal(onDisk(), undefined);
  catchUp();
  assert.equal(onDisk(), 'bob');
});

test('whoever listens hears of a login before of the logout that came right after it', async () => {
  const { login, holdBack, runner } = await start();
  const heard: (string | null)[] = [];
  runner.onChange(() => heard.push(runner.status().session?.user ?? null));
  holdBack();
  await login('alice');
  runner.logout();
  assert.deepEqual(heard.slice(-2), ['alice', null]);
});

test('a login is answered, and has all that it comes to, whatever fails on the way', async () => {
  const { login, holdBack, catchUp, breakDisk, handed, device, defects, runner, clock } = await start();
  await login('alice');
  breakDisk(true);
  assert.equal((await login('bob')).verdict, 'granted');
  breakDisk(false);
  await clock.advance(50);
  assert.ok(defects.length > 0);
  assert.equal(handed.at(-1), 'b');
  assert.equal(runner.status().session?.user, 'bob');
  holdBack();
  await login('alice');
  // What looks at it first is the hello that is due.
  const { logins } = device;
  Object.defineProperty(device, 'logins', {
    configurable: true,
    get() {
      Object.defineProperty(device, 'logins', { value: logins, writable: true });
      throw new Error('a defect of the store');
    },
  });
  catchUp();
  assert.ok(device.outbox.some(({ type, user }) => type === 'session.ended' && user === 'bob'));
  assert.equal(handed.at(-1), 'a');
});

test('what happens until an agent is ready is on the disk right behind that word, and what happens later at once', async () => {
  const { device, runner, catchUp } = await start(true);
  assert.equal(runner.status().mode, 'offline');
  assert.deepEqual(device.outbox, []);
  assert.equal(runner.status().pendingEvents, 2);
  catchUp();
  assert.deepEqual(
    device.outbox.map(({ type }) => type),
    ['agent.started', 'offline'],
  );
  runner.record('alarm.secret', {});
  assert.equal(device.outbox.length, 3);
});

test('and of one that is stopped before it was ready, it is on the disk as well', async () => {
  const { device, runner } = await start(true);
  runner.stop();
  assert.ok(device.outbox.some(({ type }) => type === 'agent.started'));
});

/** One whose servers say nothing, right after its start: nobody has been told that it is ready. */
function starting(found: KeptSession, isOfThisBoot: boolean) {
  const clock = manualClock();
  const saved: (KeptSession | undefined)[] = [];
  const waiting: (() => void)[] = [];
  const world = simulate({
    ...{ clock, servers: ['primary'], view: site },
    sessions: { load: () => ({ session: found, isOfThisBoot }), save: session => saved.push(session) },
    behindAnswer: work => waiting.push(work),
  });
  world.server('primary').condition = 'hung';
  world.runner.start();
  const told = () => world.device.outbox.map(({ type }) => type);
  const catchUp = () => {
    for (const work of waiting.splice(0)) work();
  };
  return { ...world, clock, saved, told, catchUp };
}

const ALICE: KeptSession = {
  ...{ user: 'alice', userId: '00000000-0000-4000-8000-00000000000a', loginId: '00000000-0000-4000-8000-0000000000aa' },
  ...{ mode: 'online', sinceWallMs: 7, credentialVersion: 1 },
};

test('whoever worked here before a reboot is forgotten once that is told: killed before, an agent tells it next time', async () => {
  const { clock, saved, told, catchUp } = starting(ALICE, false);
  assert.deepEqual([told(), saved], [[], []]);
  await clock.advance(20_000);
  assert.deepEqual([told(), saved], [[], []]);
  catchUp();
  assert.ok(told().includes('session.ended'));
  assert.deepEqual(saved, [undefined]);
});

test('what somebody asks of an agent that is not ready is on the disk before they are told, behind what came before', () => {
  const { runner, told } = starting(ALICE, true);
  assert.deepEqual(told(), []);
  runner.logout();
  assert.deepEqual(told(), ['agent.started', 'logout']);
});

test('an agent that is ready by its deadline, and knows of no server yet, writes what has happened', () => {
  const { runner, told, catchUp } = starting(ALICE, true);
  runner.begun();
  assert.deepEqual(told(), []);
  catchUp();
  assert.deepEqual(told(), ['agent.started']);
  runner.record('alarm.secret', {});
  assert.deepEqual(told(), ['agent.started', 'alarm.secret']);
});
