import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoginResult } from '@thinman/protocol';
import { enrolFleet } from '../fleet/enrolment.ts';
import { createFleet, type Fleet } from '../fleet/fleet.ts';
import type { LightDevice } from '../fleet/light-device.ts';
import { makeFleet } from '../fleet/ready-made.ts';
import { DECISION_MS, LOGIN_DEADLINE_MS } from '../support/logins.ts';
import type { Site } from '../support/site.ts';
import { systemTest } from '../support/system-test.ts';
import { waitFor } from '../support/wait.ts';
import { ALICE, BOB, GROUP } from '../support/ward.ts';

/** As the row says; fewer to look into something on a small machine. */
const DEVICES = Number(process.env.THINMAN_FLEET_DEVICES ?? 2_000);
/** Devices at which people log in all the time: these are enrolled by a token, the others are put there (`makeFleet`). */
const STAFFED = Math.min(40, DEVICES);
const LOGIN_EVERY_MS = 250;
/** Before the test begins: what two cores connect without haste, and, on a machine that has other work, no crowd that outlives its deadlines. */
const ARRIVALS_PER_SECOND = 200;
const MOST_ON_THE_WAY = 32;
/** So that going back takes a minute and not two; its spread, which is tested, has its default. Each probe of a device is a handshake. */
const FAILBACK_PROBE_MS = 12_000;
const SPREAD_MS = 30_000;
/** On a busy machine some come to the Primary by way of the Secondary: it need not wait for the last of them to be killed. */
const MOSTLY = 0.95;
/** Above the hiccups of a busy machine, as in the other system tests. */
const HEDGE_DELAY_MS = 1_000;
/** Everything here is done by two cores: half a minute, but for a machine that has much else to do. */
const MOVED_WITHIN_MS = 180_000;
/** All devices are counted so often: each count of 2,000 takes a millisecond from them. */
const COUNTED_EVERY_MS = 250;

systemTest(
  `row 20: ${DEVICES} devices when the Primary dies and comes back`,
  { agents: [], timings: { failbackProbeMs: FAILBACK_PROBE_MS, hedgeDelayMs: HEDGE_DELAY_MS } },
  async site => {
    /** When each device went back, the first time. */
    const backMs = new Map<string, number>();
    const fleet = await startFleet(site, (device, type) => {
      if (type === 'failback' && !backMs.has(device)) backMs.set(device, performance.now());
    });
    const ending = new AbortController();
    try {
      const staffed = fleet.devices.slice(0, STAFFED);
      // Each has its person in the cache, as a ward has after its first day.
      for (const device of staffed) {
        for (let isIn = false; !isIn; ) isIn = (await loginAndSee(site, fleet, device)).verdict === 'granted';
      }
      const people = keepLoggingIn(site, fleet, staffed, ending.signal);

      await site.primary.kill();
      await waitUntilOn(fleet, 'secondary');
      // Those that came to the Primary by way of the Secondary at the beginning.
      backMs.clear();
      await site.primary.start();
      await waitUntilOn(fleet, 'primary');
      await people.end();

      const spreadMs = Math.max(...backMs.values()) - Math.min(...backMs.values());
      assert.equal(backMs.size, DEVICES, 'each went back');
      assert.ok(spreadMs >= SPREAD_MS, `all were back within ${Math.round(spreadMs)} ms`);
      await waitFor(
        'all devices to have handed on their events',
        () => (fleet.devices.every(device => device.pendingEvents() === 0) ? true : undefined),
        MOVED_WITHIN_MS,
      );
      assert.deepEqual([...fleet.defects.keys()], []);
    } finally {
      ending.abort();
      await fleet.stop();
    }
  },
);

async function startFleet(site: Site, onEvent: (device: string, type: string) => void): Promise<Fleet> {
  const names = Array.from({ length: DEVICES }, (_, at) => `tc-${at + 1}`);
  const uses = String(STAFFED);
  const token = await site.primary.administer(['token', 'device', '--group', GROUP, '--uses', uses]);
  const { identities, signed } = await enrolFleet(token.trim(), names.slice(0, STAFFED));
  const others = await makeFleet(site.primary.data, names.slice(STAFFED), GROUP);
  const fleet = createFleet({
    ...{ identities: [...identities, ...others.identities], signed },
    ...{ users: [ALICE, BOB], onEvent },
  });
  await fleet.start(ARRIVALS_PER_SECOND, { mostOnTheWay: MOST_ON_THE_WAY });
  await waitUntil(
    `all devices to be connected, and ${MOSTLY * 100} % of them to the Primary`,
    () => fleet.connected() === DEVICES && on(fleet, 'primary') >= MOSTLY * DEVICES,
    () => `${on(fleet, 'primary')} of ${DEVICES} are on the Primary, ${on(fleet, 'secondary')} on the Secondary`,
  );
  return fleet;
}

const on = (fleet: Fleet, server: string) => fleet.byServer().get(server) ?? 0;

function waitUntilOn(fleet: Fleet, server: string): Promise<unknown> {
  return waitUntil(
    `all devices to be on the ${server}`,
    () => on(fleet, server) === DEVICES,
    () => `${on(fleet, server)} of ${DEVICES} are`,
  );
}

function waitUntil(what: string, isSo: () => boolean, seen: () => string): Promise<unknown> {
  let countedMs = 0;
  const look = () => {
    if (performance.now() - countedMs < COUNTED_EVERY_MS) return undefined;
    countedMs = performance.now();
    return isSo() ? true : undefined;
  };
  return waitFor(what, look, MOVED_WITHIN_MS, seen);
}

/** For the invariants: what the person was told must be what the site has recorded. */
async function loginAndSee(site: Site, fleet: Fleet, device: LightDevice): Promise<LoginResult> {
  const answer = await fleet.login(device);
  assert.ok(answer !== undefined);
  const { user, elapsedMs } = answer;
  site.history.logins.push({ device: device.name, user, answer, code: 0, stderr: '', elapsedMs });
  return answer;
}

/** People who log in, one after the other; each must get in, within the deadline of every login. */
function keepLoggingIn(site: Site, fleet: Fleet, staffed: readonly LightDevice[], signal: AbortSignal) {
  let over = false;
  const before = site.history.logins.length;
  const ended = (async () => {
    for (let at = 0; !over && !signal.aborted; at++) {
      const device = staffed[at % staffed.length];
      if (device !== undefined) await loginAndSee(site, fleet, device);
      // Not a wait for something: another person comes by.
      await delay(LOGIN_EVERY_MS);
    }
  })();
  // Whatever else fails is told; a login that a failing test has cut off is not.
  ended.catch(() => {});
  return {
    async end() {
      over = true;
      await ended;
      const seen = site.history.logins.slice(before).flatMap(({ answer }) => answer ?? []);
      const denied = seen.filter(({ verdict }) => verdict !== 'granted').map(({ reason }) => reason);
      assert.deepEqual(denied, [], `of ${seen.length} logins`);
      const longestMs = Math.max(...seen.map(({ elapsedMs }) => elapsedMs));
      assert.ok(longestMs <= LOGIN_DEADLINE_MS + DECISION_MS, `somebody waited ${longestMs} ms`);
    },
  };
}
