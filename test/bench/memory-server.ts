import { setTimeout as delay } from 'node:timers/promises';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { startFleetSite } from './fleet/fleet-site.ts';
import { openRawChannels, startRawServer } from './fleet/raw-clients.ts';
import { devicesFor } from './fleet/sizes.ts';
import { memoryOf } from './support/proc.ts';

const DEVICES: Readonly<Record<Size, number>> = { small: 50, normal: 5_000, full: 5_000 };
/**
 * Until what is idle has been let go: connections of HTTPS, garbage of the handshakes and, before, of the enrolment. V8 gives that back some ten
 * seconds after it was busy last: looked at then, a server without devices had 131 or 207 MB, as it happened.
 */
const REST_MS: Readonly<Record<Size, number>> = { small: 500, normal: 45_000, full: 45_000 };
/** Opened at once they would measure the peak of the handshakes. */
const RAW_AT_ONCE = 100;
const MAX_RATIO = 1.3;
const BYTES_PER_KB = 1024;

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { size, folder, processes } = options;
  const devices = devicesFor(size, DEVICES);
  let emptyBytes = 0;
  const started = await startFleetSite(options, {
    devices,
    beforeConnecting: async site => {
      await delay(REST_MS[size]);
      emptyBytes = memoryOf(site.primary.process().pid).resident;
    },
  });
  const { site, identities } = started;
  await delay(REST_MS[size]);
  const value = (memoryOf(site.primary.process().pid).resident - emptyBytes) / devices / BYTES_PER_KB;
  await started.close();

  const raw = await startRawServer(site.primary.data, `${folder}/raw`, processes);
  const rawEmptyBytes = memoryOf(raw.process.pid).resident;
  const sockets = [];
  for (let at = 0; at < identities.length; at += RAW_AT_ONCE) {
    sockets.push(...(await openRawChannels(raw.port, identities.slice(at, at + RAW_AT_ONCE))));
  }
  await delay(REST_MS[size]);
  const floor = (memoryOf(raw.process.pid).resident - rawEmptyBytes) / devices / BYTES_PER_KB;
  for (const socket of sockets) socket.terminate();
  return [
    figure({
      ...{ name: 'memory-server.device', value, unit: 'kB', floor },
      target: `≤ ${MAX_RATIO} × a raw mTLS ws connection`,
      met: value <= MAX_RATIO * floor,
    }),
  ];
}

export const memoryServer: Bench = {
  name: 'memory-server',
  about: 'resident memory of a server for each connected device at rest, against a raw mTLS ws server',
  run,
};
