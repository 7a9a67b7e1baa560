import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { startLogins } from './login-load.ts';
import { expectLogin } from './logins.ts';
import { DEVICES, networkOf, nobodyMoves, type OnNetwork } from './network-steps.ts';
import type { RedundantOptions } from './redundant-test.ts';
import type { Site } from './site.ts';
import { ALICE, BOB } from './ward.ts';

/** Row 4 has ten minutes: THINMAN_BAD_WIRES_MS=600000. */
const RUN_MS = Number(process.env.THINMAN_BAD_WIRES_MS ?? 60_000);
/** Of each packet, each way: a round trip takes 300 ms ± 200. */
const BAD_WIRES = { delayMs: 150, jitterMs: 100, lossPercent: 5 };
const PATIENCE_MS = 120_000;

export const BAD_WIRES_MOVE_NOBODY = 'row 4: wires that are slow and lose packets move no device';
// The numbers of the product: they are what is tested.
export const BAD_WIRES_OPTIONS: RedundantOptions & { readonly timeoutMs: number } = {
  agents: ['tc-1', 'tc-2'],
  apart: { slowWires: true },
  timings: {},
  timeoutMs: RUN_MS + PATIENCE_MS,
};

export async function movesNobody(site: Site, on: OnNetwork): Promise<void> {
  const devices = networkOf(on).host(DEVICES);
  await expectLogin(site.agent('tc-1'), ALICE, 'granted online by primary');
  await expectLogin(site.agent('tc-2'), BOB, 'granted online by primary');
  await nobodyMoves(site, async () => {
    devices.slowDown(BAD_WIRES);
    const load = startLogins(site.agent('tc-2'), BOB);
    await delay(RUN_MS);
    const logins = await load.endAllGranted();
    await devices.restore();
    // A packet that is lost twice has its login asked elsewhere: that moves nobody.
    const online = logins.filter(({ answer }) => answer?.mode === 'online' && answer.server === 'primary');
    assert.ok(online.length > logins.length / 2, `${online.length} of ${logins.length} by the Primary`);
  });
}
