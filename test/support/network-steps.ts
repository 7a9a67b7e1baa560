// Steps of tests in which packets vanish: on HALF and on FULL alike.
import assert from 'node:assert/strict';
import { DATABASE_LOST_AFTER_MS, DEFAULT_AGENT_TIMINGS, type RecordedEvent } from '@thinman/protocol';
import { expectLogin } from './logins.ts';
import type { Network } from './network/network.ts';
import { expectHealed, isDegraded, whileLoggingIn } from './redundant-faults.ts';
import type { Server } from './server-commands.ts';
import type { Site } from './site.ts';
import { FAST_TIMINGS } from './timings.ts';
import { ALICE, BOB } from './ward.ts';

/** This process, and with it every thin client. */
export const DEVICES = 'outside';

/**
 * Long, for a test that tells a login which waited for a silent server from one that did not: half of the deadline of a whole
 * login, and several times what a login takes on a busy machine.
 */
const HEDGE_DELAY_MS = 2_000;
/** The pings are the product's: a login finds out by itself what is silent. */
const { pingIntervalMs } = DEFAULT_AGENT_TIMINGS;
export const NETWORK_TIMINGS = { ...FAST_TIMINGS, pingIntervalMs, hedgeDelayMs: HEDGE_DELAY_MS };

/** What a busy machine adds to the 3 s after which a database counts as lost. */
const MARGIN_MS = 3_000;

export type OnNetwork = { readonly network: Network | undefined };

export function networkOf({ network }: OnNetwork): Network {
  assert.ok(network !== undefined, 'the site is made with `apart`');
  return network;
}

/** Row 2. Only the first login waits for the Primary. */
export async function primaryFallsSilent(site: Site, on: OnNetwork): Promise<void> {
  const tc1 = site.agent('tc-1');
  const primary = networkOf(on).host('primary');
  await whileLoggingIn(site, async () => {
    await expectLogin(tc1, ALICE, 'granted online by primary');
    await primary.dropPackets();
    await expectLogin(tc1, BOB, 'granted online by secondary');
    const [first] = (await tc1.status()).servers;
    assert.equal(first?.state, 'down', 'no login asks it from here on');
    const elapsedMs: number[] = [];
    for (const person of [ALICE, BOB, ALICE, BOB, ALICE]) {
      elapsedMs.push((await expectLogin(tc1, person, 'granted online by secondary')).elapsedMs);
    }
    assert.ok(median(elapsedMs) < HEDGE_DELAY_MS, `they waited ${elapsedMs} ms: for the Primary?`);
    assert.equal((await site.secondary.status()).state, 'serving');
    await primary.restore();
    await expectHealed(site);
  });
  await expectLogin(tc1, ALICE, 'granted online by primary');
}

/** One that a busy machine held up says nothing. */
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Cuts the Primary off from its database, and waits until it says so: no packet tells it, only time does. */
export async function cutOffDatabase(site: Site, cut: () => Promise<void>): Promise<void> {
  const cutMs = performance.now();
  await cut();
  await site.primary.waitForStatus('to be degraded', isDegraded);
  const elapsedMs = performance.now() - cutMs;
  assert.ok(elapsedMs < DATABASE_LOST_AFTER_MS + MARGIN_MS, `it took ${elapsedMs} ms`);
}

/** During `work` this server says of itself that it serves, and nothing else. The site has to be whole at its end. */
export function staysServing(site: Site, server: Server, work: () => Promise<void>): Promise<void> {
  const isChange = ({ type, origin }: RecordedEvent) => type === 'server.state' && origin === `server:${server.name}`;
  return withoutNew(site, isChange, work);
}

/** During `work` no device changes its server. */
export function nobodyMoves(site: Site, work: () => Promise<void>): Promise<void> {
  return withoutNew(site, isSwitch, work);
}

export const isSwitch = ({ type }: RecordedEvent) => type === 'failover' || type === 'failback' || type === 'offline';

async function withoutNew(site: Site, isOne: (event: RecordedEvent) => boolean, work: () => Promise<void>) {
  const all = async () => {
    await site.settle();
    return (await site.primary.events()).filter(isOne);
  };
  const before = await all();
  await work();
  const known = new Set(before.map(({ id }) => id));
  assert.deepEqual(
    (await all()).filter(({ id }) => !known.has(id)),
    [],
  );
}
