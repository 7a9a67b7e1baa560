import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentTimings } from '@thinman/protocol';
import { startLogins } from './login-load.ts';
import { expectLogin } from './logins.ts';
import { isSwitch, networkOf, type OnNetwork } from './network-steps.ts';
import { expectHealed } from './redundant-faults.ts';
import type { Site } from './site.ts';
import { ALICE, BOB } from './ward.ts';

/**
 * Row 5 at a fifth of its length: a change every 4 s for 80 s, in place of every 20 s for ten. It keeps the proportions that
 * the rule rests on: two probes are less than a silence apart, and the good ones that a failback takes last longer than what
 * is between two silences. A probe that waits for 1.5 s, the deadline of a connection, takes that much from the one and adds it
 * to the other; so six are asked for in place of three.
 */
const FLAP_MS = 4_000;
const RUN_MS = 80_000;
const MOST_SWITCHES = 2;
/** Six good probes, and the doubled wait after a regret. */
const HEALED_MS = 60_000;

/** The defaults, shortened; but what one login or one connection may cost is what it is. */
const TIMINGS: Partial<AgentTimings> = {
  pingIntervalMs: 1_000,
  breakerFirstMs: 500,
  breakerMaxMs: 30_000,
  allDownFirstMs: 500,
  allDownMaxMs: 6_000,
  leaveDegradedAfterMs: 300,
  leaveDegradedSpreadMs: 1_000,
  failbackProbeMs: 1_500,
  failbackProbes: 6,
  failbackSpreadMs: 3_000,
  failbackRegretMs: 60_000,
  failbackMaxWaitMs: 180_000,
  hedgeDelayMs: 1_000,
};

export const FLAPPING =
  'row 5: a Primary that comes and goes moves each device twice at most, and nobody fails to log in';
export const FLAPPING_OPTIONS = { agents: ['tc-1', 'tc-2'], apart: true, timings: TIMINGS };

export async function comesAndGoes(site: Site, on: OnNetwork): Promise<void> {
  const primary = networkOf(on).host('primary');
  await expectLogin(site.agent('tc-1'), ALICE, 'granted online by primary');
  await expectLogin(site.agent('tc-2'), BOB, 'granted online by primary');
  const loads = [startLogins(site.agent('tc-1'), ALICE), startLogins(site.agent('tc-2'), BOB)];
  const end = performance.now() + RUN_MS;
  while (performance.now() < end) {
    await primary.dropPackets();
    await delay(FLAP_MS);
    await primary.restore();
    await delay(FLAP_MS);
  }
  const overMs = Date.now();
  for (const load of loads) await load.endAllGranted();
  await expectHealed(site, HEALED_MS);
  await site.settle();
  for (const { name } of site.agents) {
    const switches = (await site.primary.events()).filter(
      event => isSwitch(event) && event.origin === `device:${name}` && event.at <= overMs,
    );
    assert.ok(switches.length <= MOST_SWITCHES, `${name}: ${JSON.stringify(switches)}`);
  }
}
