import { setTimeout as delay } from 'node:timers/promises';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { startFleetSite, waitUntilOn } from './fleet/fleet-site.ts';
import { openRawChannels, startRawServer } from './fleet/raw-clients.ts';
import { devicesFor } from './fleet/sizes.ts';
import { percentile, spreadOf } from './support/statistics.ts';

const DEVICES: Readonly<Record<Size, number>> = { small: 30, normal: 5_000, full: 5_000 };
/** People who go on logging in while the herd moves, one after the other every so often. */
const LOGIN_EVERY_MS = 100;
const MAX_RATIO = 1.3;
const MAX_LOGIN_MS = 2_000;
const MEDIAN_OF: Readonly<Record<Size, number>> = { small: 1, normal: 1, full: 3 };

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { size, folder, processes } = options;
  const started = await startFleetSite(options, { devices: devicesFor(size, DEVICES), secondary: true });
  const { site, fleet, identities } = started;
  const someone = fleet.devices.slice(0, 20);
  for (const device of someone) await fleet.login(device);

  const floors: number[] = [];
  for (let round = 0; round < MEDIAN_OF[size]; round++) {
    const raw = await startRawServer(site.secondary.data, `${folder}/raw-${round}`, processes);
    const beganMs = performance.now();
    const sockets = await openRawChannels(raw.port, identities);
    floors.push(performance.now() - beganMs);
    for (const socket of sockets) socket.terminate();
    await raw.process.kill();
  }

  const before = fleet.tallies.elapsedMs.length;
  await site.primary.kill();
  const beganMs = performance.now();
  let isOver = false;
  const people = (async () => {
    const underway: Promise<unknown>[] = [];
    for (let at = 0; !isOver; at++) {
      const device = someone[at % someone.length];
      if (device !== undefined) underway.push(fleet.login(device));
      await delay(LOGIN_EVERY_MS);
    }
    await Promise.all(underway);
  })();
  await waitUntilOn(fleet, 'secondary');
  const movedMs = performance.now() - beganMs;
  isOver = true;
  await people;
  const waits = fleet.tallies.elapsedMs.slice(before);
  const floor = percentile(floors, 50);
  const { failed, denied } = fleet.tallies.logins;
  const p99 = percentile(waits, 99);
  await started.close();
  return [
    figure({
      ...{ name: 'herd.moved', value: movedMs, unit: 'ms', floor },
      target: `all on the Secondary within ${MAX_RATIO} × the same number of raw connections`,
      met: movedMs <= MAX_RATIO * floor,
    }),
    figure({
      ...{ name: 'herd.login_p99', value: p99, unit: 'ms', floor: MAX_LOGIN_MS },
      target: `≤ ${MAX_LOGIN_MS} ms, none failed (${failed + denied} did)`,
      met: p99 <= MAX_LOGIN_MS && failed + denied === 0,
      spread: spreadOf(waits),
    }),
  ];
}

export const herd: Bench = {
  name: 'herd',
  about:
    'the Primary is killed under its devices: until all are on the Secondary, against as many raw mTLS + ws connections',
  run,
};
