import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { startFleetSite } from './fleet/fleet-site.ts';
import { openRawChannels, rawAsk, rawClient, startRawServer } from './fleet/raw-clients.ts';
import { devicesFor } from './fleet/sizes.ts';
import { percentile, spreadOf } from './support/statistics.ts';

const DEVICES: Readonly<Record<Size, number>> = { small: 30, normal: 5_000, full: 5_000 };
const ROUNDS: Readonly<Record<Size, number>> = { small: 2, normal: 5, full: 9 };
const MAX_RATIO = 1.5;
/** Clients that make themselves ready at once. */
const AT_ONCE = 100;
/** The frame that tells of a change (`traps.md`). */
const FRAME_BYTES = 200;

const quiet = (minutes: number) =>
  [
    {
      kind: 'Policy',
      name: 'quiet',
      body: { scope: 'device', settings: { power: { screenOffAfterMinutes: minutes } } },
    },
    { kind: 'Assignment', name: 'quiet', body: { policy: 'quiet', to: { site: true } } },
  ] as const;

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { size } = options;
  const devices = devicesFor(size, DEVICES);
  let bundleBytes = 0;
  let arrived = 0;
  let all = () => {};
  const parts = {
    onBundle(_device: string, bundle: object) {
      bundleBytes = JSON.stringify(bundle).length;
      arrived += 1;
      if (arrived === devices) all();
    },
  };
  const started = await startFleetSite(options, { devices, parts, objects: quiet(1) });
  const values: number[] = [];
  for (let round = 0; round < ROUNDS[size]; round++) {
    arrived = 0;
    const over = new Promise<void>(resolve => {
      all = resolve;
    });
    const beganMs = performance.now();
    await started.apply(quiet(2 + round));
    await over;
    values.push(performance.now() - beganMs);
  }
  await started.close();
  const floors = await rawFanoutMs(options, started, bundleBytes);
  const [value, floor] = [percentile(values, 50), percentile(floors, 50)];
  return [
    figure({
      ...{ name: 'fanout.last_device', value, unit: 'ms', floor },
      target: `≤ ${MAX_RATIO} × a raw broadcast and as many raw requests of ${bundleBytes} bytes`,
      met: value <= MAX_RATIO * floor,
      spread: spreadOf(values, 0),
    }),
  ];
}

/** A frame to each client, upon which each asks for as many bytes, over a connection that is open already. */
async function rawFanoutMs(
  { size, folder, processes }: BenchOptions,
  { site, identities }: Awaited<ReturnType<typeof startFleetSite>>,
  bundleBytes: number,
): Promise<readonly number[]> {
  const raw = await startRawServer(site.primary.data, `${folder}/raw`, processes);
  const clients = identities.map(identity => rawClient(raw.port, identity));
  let answered = 0;
  let all = () => {};
  const ask = async (client: (typeof clients)[number]) => {
    await rawAsk(client, 'GET', `/bytes?bytes=${bundleBytes}`);
    answered += 1;
    if (answered === identities.length) all();
  };
  const sockets = [];
  for (let at = 0; at < identities.length; at += AT_ONCE) {
    const some = clients.slice(at, at + AT_ONCE);
    const opened = await openRawChannels(raw.port, identities.slice(at, at + AT_ONCE));
    sockets.push(...opened);
    await Promise.all(some.map(ask));
    opened.forEach((socket, nth) => {
      const client = some[nth];
      socket.on('message', () => {
        if (client !== undefined) void ask(client);
      });
    });
  }
  const times: number[] = [];
  const [first] = identities;
  if (first === undefined) throw new Error('no devices');
  const control = rawClient(raw.port, first);
  for (let round = 0; round < ROUNDS[size]; round++) {
    answered = 0;
    const over = new Promise<void>(resolve => {
      all = resolve;
    });
    const beganMs = performance.now();
    await rawAsk(control, 'POST', `/broadcast?bytes=${FRAME_BYTES}`);
    await over;
    times.push(performance.now() - beganMs);
  }
  for (const socket of sockets) socket.terminate();
  await Promise.all([...clients, control].map(client => client.destroy()));
  return times;
}

export const fanout: Bench = {
  name: 'fanout',
  about: 'a change that concerns every device, until the last one has its bundle, against raw frames and raw requests',
  run,
};
