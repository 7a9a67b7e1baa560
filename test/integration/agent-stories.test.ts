import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../support/manual-clock.ts';
import { commit, siteWith } from '../support/model-site.ts';
import { type Simulation, simulate } from '../support/simulated-agent.ts';

const DERIVE_MS = 130;
const site = siteWith('alice', 'first-password');

async function signedInOnce(servers: readonly string[] = ['primary', 'secondary']) {
  const clock = manualClock();
  const world = simulate({ clock, servers, view: site, deriveMs: DERIVE_MS });
  world.runner.start();
  await clock.advance(1_000);
  const login = world.runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.equal((await login).verdict, 'granted');
  return { clock, ...world };
}

const loginEvents = ({ device, server }: Pick<Simulation, 'device' | 'server'>, names: readonly string[]) =>
  [...device.outbox, ...names.flatMap(name => server(name).events)].filter(({ type }) => type === 'login');

test('starts on the first server, and logs in there without asking another', async () => {
  const { runner, server } = await signedInOnce();
  const { mode, server: current } = runner.status();
  assert.deepEqual([mode, current?.name], ['online', 'primary']);
  assert.ok(!server('secondary').asked.includes('login'));
});

test('a killed Primary costs the next login nothing, and the session stays', async () => {
  const { clock, runner, server, defects } = await signedInOnce();
  server('primary').kill();
  const login = runner.login('alice', 'first-password');
  await clock.advance(5_000);
  const result = await login;
  assert.deepEqual([result.verdict, result.server, result.mode], ['granted', 'secondary', 'online']);
  assert.ok(result.elapsedMs < DERIVE_MS + 50, `${result.elapsedMs} ms`);
  assert.equal(runner.status().server?.name, 'secondary');
  assert.equal(runner.status().session?.user, 'alice');
  assert.deepEqual(defects, []);
});

test('a policy that gives servers no time to be reached keeps the device from none of them', async () => {
  const clock = manualClock();
  const { runner, server } = simulate({ clock, servers: ['primary'], view: site, timings: { connectDeadlineMs: 50 } });
  runner.start();
  await clock.advance(1_000);
  server('primary').kill();
  server('primary').connectDeadlines.length = 0;
  await clock.advance(60_000);
  const { connectDeadlines } = server('primary');
  assert.ok(connectDeadlines.length > 1);
  assert.deepEqual([...new Set(connectDeadlines)], [1_500], 'as without that policy');
});

test('timers that come early and time that passes at work lose no deadline: who hangs holds nobody back', async () => {
  for (let earlyMs = 0.1; earlyMs < 1; earlyMs += 0.1) {
    const inner = manualClock();
    let looks = 0;
    const clock = {
      ...inner,
      // As Node's: a timer counts whole milliseconds of a clock that is looked at once a turn.
      after: (delayMs: number, action: () => void) => inner.after(Math.max(0, delayMs - earlyMs), action),
      monotonicMs: () => inner.monotonicMs() + 0.05 * looks++,
    };
    const { runner, server, defects } = simulate({ clock, servers: ['primary', 'secondary'], view: site });
    server('primary').condition = 'hung';
    runner.start();
    await clock.advance(4_000);
    assert.equal(runner.status().server?.name, 'secondary', `${earlyMs.toFixed(1)} ms early`);
    assert.deepEqual(defects, []);
  }
});

test('a large site loses its Primary: a device waits for its turn, and who logs in there does not', async () => {
  const clock = manualClock();
  const { runner, server, defects } = simulate({
    clock,
    servers: ['primary', 'secondary'],
    view: site,
    deriveMs: DERIVE_MS,
  });
  for (const name of ['primary', 'secondary']) server(name).crowdMs = 30_000;
  runner.start();
  await clock.advance(1_000);
  const asked = server('secondary').asked.length;
  server('primary').kill();
  await clock.advance(1_000);
  assert.equal(runner.status().server, null);
  assert.equal(server('secondary').asked.length, asked, 'nobody was asked yet');
  const login = runner.login('alice', 'first-password');
  await clock.advance(2_000);
  const { verdict, server: by, elapsedMs } = await login;
  assert.deepEqual([verdict, by], ['granted', 'secondary']);
  assert.ok(elapsedMs < 500, `${elapsedMs} ms`);
  assert.equal(runner.status().server?.name, 'secondary');

  server('primary').condition = 'up';
  server('secondary').kill();
  await clock.advance(31_000);
  assert.equal(runner.status().server?.name, 'primary', 'its turn has come');
  assert.deepEqual(defects, []);
});

test('a Primary that hangs costs one login the hedge at most, and the next one nothing', async () => {
  const { clock, runner, server } = await signedInOnce();
  server('primary').condition = 'hung';
  const first = runner.login('alice', 'first-password');
  await clock.advance(2_000);
  assert.equal((await first).server, 'secondary');
  assert.ok((await first).elapsedMs <= DERIVE_MS + 500, `${(await first).elapsedMs} ms`);
  const second = runner.login('alice', 'first-password');
  await clock.advance(2_000);
  assert.ok((await second).elapsedMs <= DERIVE_MS + 50, `${(await second).elapsedMs} ms`);
});

test('a Primary that hangs after the request was sent: one session, one event, and the next login pays nothing', async () => {
  const { clock, runner, server, device } = await signedInOnce();
  const before = loginEvents({ device, server }, ['primary', 'secondary']).length;
  server('primary').swallowsLogins = true;
  const first = runner.login('alice', 'first-password');
  await clock.advance(100);
  server('primary').condition = 'hung';
  await clock.advance(2_000);
  assert.equal((await first).server, 'secondary');
  assert.ok((await first).elapsedMs <= DERIVE_MS + 500, `${(await first).elapsedMs} ms`);
  const second = runner.login('alice', 'first-password');
  await clock.advance(2_000);
  assert.ok((await second).elapsedMs <= DERIVE_MS + 50, `${(await second).elapsedMs} ms`);
  assert.equal(loginEvents({ device, server }, ['primary', 'secondary']).length, before + 2);
});

test('both servers dead: offline at once, a wrong password and an unknown user are refused, and it comes back by itself', async () => {
  const { clock, runner, server, device, defects } = await signedInOnce();
  server('primary').kill();
  server('secondary').kill();
  await clock.advance(1_000);
  assert.equal(runner.status().mode, 'offline');
  const offline = runner.login('alice', 'first-password');
  await clock.advance(DERIVE_MS + 1);
  assert.deepEqual(
    [(await offline).verdict, (await offline).mode, (await offline).server],
    ['granted', 'offline', null],
  );
  const wrong = runner.login('alice', 'not-the-password');
  await clock.advance(1_000);
  assert.equal((await wrong).reason, 'credentials_invalid');
  const unknown = runner.login('bob', 'first-password');
  await clock.advance(1_000);
  assert.equal((await unknown).reason, 'no_cached_login');
  assert.equal(runner.status().session?.user, 'alice');

  server('secondary').condition = 'up';
  await clock.advance(90_000);
  assert.equal(runner.status().server?.name, 'secondary');
  assert.equal(runner.status().session?.mode, 'online', 'the offline session was proved');
  server('primary').condition = 'up';
  await clock.advance(180_000);
  assert.equal(runner.status().server?.name, 'primary');
  assert.equal(device.outbox.length, 0, 'every event was delivered');
  const ids = ['primary', 'secondary'].flatMap(name => server(name).events.map(({ id }) => id));
  assert.equal(new Set(ids).size, ids.length, 'and each once');
  assert.deepEqual(defects, []);
});

test('events go over the channel, by a request to a server that takes no such frames, and again when the channel ends before an answer', async () => {
  const { clock, runner, server, device } = await signedInOnce();
  assert.ok(server('primary').asked.includes('events'));
  const events = () => ['primary', 'secondary'].flatMap(name => server(name).events);
  server('primary').delayMs = 50;
  const before = events().length;
  void runner.login('alice', 'first-password');
  await clock.advance(DERIVE_MS);
  await waitForEvents(clock, () => events().length > before);
  server('primary').kill();
  await clock.advance(10_000);
  assert.equal(runner.status().server?.name, 'secondary');
  assert.equal(device.outbox.length, 0);
  const twice = events().map(({ id }) => id);
  assert.ok(
    new Set(twice).size < twice.length,
    'what was on the dead server without an answer is on the other one too',
  );

  server('secondary').takesFrames = false;
  server('secondary').kill();
  server('secondary').condition = 'up';
  await clock.advance(90_000);
  const asked = server('secondary').asked.length;
  void runner.login('alice', 'first-password');
  await clock.advance(2_000);
  assert.ok(server('secondary').asked.slice(asked).includes('events'));
  assert.equal(device.outbox.length, 0);
});

test('an offline session whose account was disabled ends when a server is back', async () => {
  const { clock, runner, server, device } = await signedInOnce();
  for (const name of ['primary', 'secondary']) server(name).kill();
  await clock.advance(1_000);
  const offline = runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.equal((await offline).mode, 'offline');
  server('primary').view = commit(site, 'alice', { disabled: true });
  server('primary').condition = 'up';
  await clock.advance(90_000);
  assert.equal(runner.status().session, null);
  assert.equal(Object.values(device.tombstones)[0]?.reason, 'disabled');
});

test('goaway: the channel is made on the Secondary before it is broken on the Primary', async () => {
  const { clock, runner, server } = await signedInOnce();
  const seen: (string | undefined)[] = [];
  runner.onChange(() => seen.push(runner.status().server?.name));
  server('primary').goaway();
  await clock.advance(5_000);
  assert.equal(runner.status().server?.name, 'secondary');
  assert.ok(!seen.includes(undefined), 'never without a server');
});

test('a device that boots with every server dead becomes ready, and connects by itself later', async () => {
  const clock = manualClock();
  const { runner, server } = simulate({ clock, servers: ['primary', 'secondary', 'third'], view: site });
  for (const name of ['primary', 'secondary', 'third']) server(name).condition = 'dead';
  let decided = false;
  runner.onDecided(() => {
    decided = true;
  });
  runner.start();
  await clock.advance(100);
  assert.ok(decided);
  server('third').condition = 'up';
  await clock.advance(120_000);
  assert.equal(runner.status().server?.name, 'third');
});

test('nothing happens after the end', async () => {
  const { clock, runner, server } = await signedInOnce();
  const open = runner.login('alice', 'first-password');
  runner.stop();
  await assert.rejects(open, { name: 'AgentStopped' });
  const asked = ['primary', 'secondary'].map(name => server(name).asked.length);
  await clock.advance(600_000);
  assert.deepEqual(
    ['primary', 'secondary'].map(name => server(name).asked.length),
    asked,
  );
});

test('row 18, the disk is full: online login works and keeps its event, offline is cache_damaged, and both come back', async () => {
  const { clock, runner, server, device, defects } = await signedInOnce();
  device.isFull = true;
  const online = runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.equal((await online).mode, 'online');
  const before = loginEvents({ device, server }, ['primary', 'secondary']).length;
  for (const name of ['primary', 'secondary']) server(name).kill();
  await clock.advance(1_000);
  const offline = runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.equal((await offline).reason, 'cache_damaged');
  assert.equal(loginEvents({ device, server }, ['primary', 'secondary']).length, before + 1);
  device.isFull = false;
  const again = runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.equal((await again).mode, 'offline');
  assert.deepEqual(defects, []);
});

test('a device that is revoked forgets its users, and lets nobody in offline', async () => {
  const { clock, runner, server, device } = await signedInOnce();
  server('primary').view = { ...site, generation: 3, revokedAt: 3 };
  const login = runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.equal((await login).reason, 'device_revoked');
  assert.deepEqual(device.logins, {});
  assert.equal(runner.status().session, null);
  for (const name of ['primary', 'secondary']) server(name).kill();
  await clock.advance(1_000);
  const offline = runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.equal((await offline).reason, 'no_cached_login');
});

test('row 12: a Secondary with older data serves the login, and the device keeps its newer bundle', async () => {
  const { clock, runner, server, device } = await signedInOnce();
  server('primary').view = commit(commit(site));
  const newer = runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.equal((await newer).generation, 4);
  server('primary').kill();
  const older = runner.login('alice', 'first-password');
  await clock.advance(1_000);
  assert.deepEqual([(await older).server, (await older).generation], ['secondary', 4]);
  assert.equal(device.logins.alice?.bundleVersion.generation, 4);
  assert.equal(runner.status().generation, 4);
});

test('row 5: a Primary that flaps every 20 s for 10 min costs two switches at most, and nobody a login', async () => {
  const { clock, runner, server, device } = await signedInOnce();
  for (let turn = 0; turn < 30; turn += 1) {
    if (turn % 2 === 0) server('primary').kill();
    else server('primary').condition = 'up';
    await clock.advance(10_000);
    const login = runner.login('alice', 'first-password');
    await clock.advance(10_000);
    assert.equal((await login).verdict, 'granted');
    assert.notEqual((await login).mode, 'offline');
  }
  const events = [...device.outbox, ...server('primary').events, ...server('secondary').events];
  const switches = events.filter(({ type }) => type === 'failover' || type === 'failback');
  assert.ok(switches.length <= 2, `${switches.length} switches`);
});

test('row 4: 300 ms of delay make no failover in 10 min', async () => {
  const { clock, runner, server } = await signedInOnce();
  for (const name of ['primary', 'secondary']) server(name).delayMs = 280;
  for (let turn = 0; turn < 10; turn += 1) {
    const login = runner.login('alice', 'first-password');
    await clock.advance(60_000);
    assert.equal((await login).verdict, 'granted');
    assert.equal(runner.status().server?.name, 'primary');
  }
});

/** In steps of a millisecond: what is under way then is under way. */
async function waitForEvents(clock: { advance(ms: number): Promise<void> }, come: () => boolean): Promise<void> {
  for (let ms = 0; ms < 1_000 && !come(); ms++) await clock.advance(1);
}
