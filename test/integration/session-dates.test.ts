import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentOf } from '../../packages/server/src/device-plane/session-gate.ts';
import { manualClock } from '../support/manual-clock.ts';
import { siteWith } from '../support/model-site.ts';
import { simulate } from '../support/simulated-agent.ts';

// What a device dates by: servers read from ids and words of sessions when they began.

const DAY_MS = 24 * 60 * 60_000;
const HOUR_MS = 60 * 60_000;
/** A tick, and the way to the server and back. */
const NEAR_MS = 2_000;
const view = siteWith('alice', 'first-password');
const PAIR = ['primary', 'secondary'] as const;

async function world(device = {}) {
  const clock = manualClock();
  const startMs = clock.nowMs();
  /** What the time is. */
  const trueMs = () => startMs + clock.monotonicMs();
  const simulation = simulate({ clock, servers: PAIR, view, serverNowMs: trueMs, ...device });
  const { runner } = simulation;
  const login = async () => {
    const result = runner.login('alice', 'first-password');
    await clock.advance(5_000);
    return (await result).mode;
  };
  return { clock, trueMs, login, ...simulation };
}

const isNear = (ms: number, trueMs: number, what: string) =>
  assert.ok(
    Math.abs(ms - trueMs) <= NEAR_MS,
    `${what}: ${new Date(ms).toISOString()}, not ${new Date(trueMs).toISOString()}`,
  );

// A cached login holds for a week: two days ahead it still lets its user in.
for (const days of [-30, 2]) {
  test(`a device whose clock was moved by ${days} days dates logins and events by what servers said`, async () => {
    const { clock, runner, trueMs, device, server, login } = await world();
    runner.start();
    await clock.advance(1_000);
    clock.setNow(trueMs() + days * DAY_MS);
    const atMs = trueMs();
    assert.equal(await login(), 'online');
    runner.logout();
    await clock.advance(10_000);
    const events = [...device.outbox, ...server('primary').events].filter(({ type }) =>
      ['login', 'logout'].includes(type),
    );
    assert.equal(events.length, 2);
    for (const { id, at, type } of events) {
      isNear(at, type === 'login' ? atMs : atMs + 5_000, `${type} at`);
      isNear(momentOf(id), type === 'login' ? atMs : atMs + 5_000, `id of ${type}`);
    }
  });

  test(`a session that began offline under a clock ${days} days off is proved with the moment when it began`, async () => {
    const first = await world();
    first.runner.start();
    await first.clock.advance(1_000);
    await first.login();
    first.runner.stop();
    // A boot with that clock, and nobody to ask.
    const { clock, runner, trueMs, server, login } = await world({ device: { ...first.device, outbox: [] } });
    for (const name of PAIR) server(name).kill();
    clock.setNow(trueMs() + days * DAY_MS);
    runner.start();
    await clock.advance(10_000);
    const beganMs = trueMs();
    assert.equal(await login(), 'offline');
    await clock.advance(3 * HOUR_MS);
    for (const name of PAIR) server(name).condition = 'up';
    await clock.advance(5 * 60_000);
    const [proof] = server('primary').proofs;
    assert.ok(proof !== undefined, 'it is proved');
    isNear(proof.proved.beganMs, beganMs, 'what is said');
    isNear(momentOf(proof.loginId), beganMs, 'the new id');
    assert.notEqual(proof.loginId, proof.proved.loginId);

    // And again, when no server was there for longer than a token lives.
    for (const name of PAIR) server(name).kill();
    await clock.advance(2 * HOUR_MS);
    for (const name of PAIR) server(name).condition = 'up';
    await clock.advance(5 * 60_000);
    const second = server('primary').proofs.at(-1);
    assert.notEqual(second, proof);
    assert.equal(second?.proved.loginId, proof.loginId);
    isNear(second.proved.beganMs, beganMs, 'what is said the second time');
  });
}
