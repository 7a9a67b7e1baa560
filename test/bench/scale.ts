import { join } from 'node:path';
import Type from 'typebox';
import { connect } from '../../packages/server/src/cli/thinman/admin-client.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { startFleetSite, waitUntilOn, waitUntilQuiet } from './fleet/fleet-site.ts';
import { bundleCounter, narrowChangeMs, narrowPolicy } from './fleet/narrow-change.ts';
import { seedDevices } from './fleet/seed-devices.ts';
import { interleave } from './support/interleave.ts';
import { percentile, spreadOf } from './support/statistics.ts';

/** Devices that the site has, from step to step. */
const STEPS: Readonly<Record<Size, readonly [number, ...number[]]>> = {
  small: [50, 200],
  normal: [1_000, 10_000, 100_000],
  full: [1_000, 10_000, 100_000],
};
const CONNECTED = 20;
const ROUNDS: Readonly<Record<Size, number>> = { small: 3, normal: 60, full: 200 };
const MAX_GROWTH = 1.2;
const WHAT = ['login', 'narrow', 'list'] as const;

type Step = { readonly devices: number; readonly times: Record<(typeof WHAT)[number], readonly number[]> };

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { size } = options;
  const bundles = bundleCounter();
  const steps = STEPS[size];
  const started = await startFleetSite(options, {
    devices: CONNECTED,
    parts: { onBundle: bundles.onBundle },
    beforeConnecting: site => seedDevices(site, CONNECTED, steps[0]),
  });
  const { site, fleet } = started;
  await started.apply(narrowPolicy(59));
  const admin = connect({ kind: 'socket', path: join(site.primary.data, 'admin.sock'), data: site.primary.data });
  const measured: Step[] = [];
  for (const [at, devices] of steps.entries()) {
    if (at > 0) await seedDevices(site, steps[at - 1] ?? 0, devices);
    await waitUntilOn(fleet, 'primary');
    await waitUntilQuiet(fleet);
    const [device] = fleet.devices;
    if (device === undefined) throw new Error('no devices');
    for (let warm = 0; warm < 3; warm++) await fleet.login(device);
    let round = 0;
    const times = await interleave(ROUNDS[size], {
      login: async () => {
        const before = performance.now();
        await fleet.login(device);
        return performance.now() - before;
      },
      narrow: () => narrowChangeMs(started, bundles, round++),
      list: async () => {
        const before = performance.now();
        // From the middle on, as one who pages through it.
        await admin.ask(Type.Unknown(), { path: `/objects/Device?limit=200&after=seeded-5` });
        return performance.now() - before;
      },
    });
    measured.push({ devices, times });
    options.say(
      `${devices} devices: ${WHAT.map(what => `${what} ${percentile(times[what], 50).toFixed(1)} ms`).join(', ')}`,
    );
  }
  await admin.close();
  await started.close();
  const [first, ...later] = measured;
  if (first === undefined) throw new Error('nothing was measured');
  return later.flatMap(({ devices, times }) =>
    WHAT.map(what => {
      const [value, floor] = [percentile(times[what], 50), percentile(first.times[what], 50)];
      return figure({
        ...{ name: `scale.${what}.${devices}`, value, unit: 'ms', floor },
        target: `≤ ${MAX_GROWTH} × with ${first.devices} devices`,
        met: value <= MAX_GROWTH * floor,
        spread: spreadOf(times[what]),
      });
    }),
  );
}

export const scale: Bench = {
  name: 'scale',
  about: 'a login, a narrow change and a page of a list in sites of more and more devices',
  run,
};
