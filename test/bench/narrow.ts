import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { type FleetSite, startFleetSite, waitUntilOn } from './fleet/fleet-site.ts';
import { bundleCounter, narrowChangeMs, narrowPolicy } from './fleet/narrow-change.ts';
import { seedDevices } from './fleet/seed-devices.ts';
import { percentile, spreadOf } from './support/statistics.ts';

const FEW = 100;
/** Devices that the site has; so many of them are connected: what a change costs each of those is what could grow. */
const MANY: Readonly<Record<Size, number>> = { small: 500, normal: 100_000, full: 100_000 };
const CONNECTED: Readonly<Record<Size, { readonly few: number; readonly many: number }>> = {
  small: { few: 10, many: 30 },
  normal: { few: FEW, many: 2_000 },
  full: { few: FEW, many: 5_000 },
};
const ROUNDS: Readonly<Record<Size, number>> = { small: 3, normal: 40, full: 100 };
const MAX_RATIO = 1.2;

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { size } = options;
  const { few, many } = CONNECTED[size];
  const floors = await changesMs({ ...options, folder: `${options.folder}/few` }, FEW, few);
  const values = await changesMs({ ...options, folder: `${options.folder}/many` }, MANY[size], many);
  const [value, floor] = [percentile(values, 50), percentile(floors, 50)];
  return [
    figure({
      ...{ name: 'narrow.change', value, unit: 'ms', floor },
      target: `among ${MANY[size]} devices (${many} connected) ≤ ${MAX_RATIO} × among ${FEW}`,
      met: value <= MAX_RATIO * floor,
      spread: spreadOf(values),
    }),
  ];
}

async function changesMs(options: BenchOptions, devices: number, connected: number): Promise<readonly number[]> {
  const bundles = bundleCounter();
  const started: FleetSite = await startFleetSite(options, {
    devices: connected,
    parts: { onBundle: bundles.onBundle },
    beforeConnecting: site => seedDevices(site, connected, devices),
  });
  await started.apply(narrowPolicy(59));
  await waitUntilOn(started.fleet, 'primary');
  const times: number[] = [];
  for (let round = 0; round < ROUNDS[options.size]; round++) times.push(await narrowChangeMs(started, bundles, round));
  await started.close();
  await started.site.primary.stop();
  return times;
}

export const narrow: Bench = {
  name: 'narrow',
  about: 'a change of the policy of one device among many, until that has its bundle, against the same among few',
  run,
};
