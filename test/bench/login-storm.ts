import { generateKeyPairSync, sign } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { type FleetSite, startFleetSite, waitUntilQuiet } from './fleet/fleet-site.ts';
import { rawAsk, rawClient, startRawServer } from './fleet/raw-clients.ts';
import { devicesFor } from './fleet/sizes.ts';
import { argon2Ms } from './support/argon2.ts';
import { cpuMsOf } from './support/proc.ts';
import { percentile, spreadOf } from './support/statistics.ts';

const DEVICES: Readonly<Record<Size, number>> = { small: 20, normal: 1_000, full: 1_000 };
const LOGINS: Readonly<Record<Size, number>> = { small: 60, normal: 20_000, full: 60_000 };
/** People who wait for an answer at any moment. */
const AT_ONCE = 64;
const PROBE_EVERY_MS = 20;
const MAX_CPU_MS = 0.6;
const LEAST_GAIN = 25;
const MAX_READY_MS = 20;
/** As a login of a device that holds the user's bundle has them. */
const REQUEST_BYTES = 560;
const ANSWER_BYTES = 1_100;
/** To spread noise over the whole measurement. */
const ARGON2_ROUNDS: Readonly<Record<Size, number>> = { small: 2, normal: 12, full: 24 };

type Storm = { readonly perSecond: number; readonly cpuMs: number };

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { size, processes } = options;
  const started = await startFleetSite(options, { devices: devicesFor(size, DEVICES) });
  const { fleet, site } = started;
  // Once on each device: after that its user is known there, and the key derived.
  await inParallel(fleet.devices, AT_ONCE, device => fleet.login(device));
  await waitUntilQuiet(fleet);

  const { pid } = site.primary.process();
  const prober = processes.start('prober', join(import.meta.dirname, 'fleet', 'prober.ts'), [
    ...[site.primary.url, join(site.primary.data, 'ca.crt'), String(PROBE_EVERY_MS)],
  ]);
  await prober.waitForLine(/^READY/);
  const storm = await storming(
    LOGINS[size],
    pid,
    at => {
      const device = fleet.devices[at % fleet.devices.length];
      return device === undefined ? Promise.resolve() : fleet.login(device);
    },
    () => waitUntilQuiet(fleet),
  );
  const { stdout } = await prober.stop();
  const readyMs = JSON.parse(stdout.trim().split('\n').at(-1) ?? '[]') as number[];
  const { denied, failed, offline } = fleet.tallies.logins;
  const wrong = denied + failed + offline;
  await started.close();
  await site.primary.stop();

  const raw = await rawStorm(options, started);
  const argon2: number[] = [];
  for (let round = 0; round < ARGON2_ROUNDS[size]; round++) argon2.push(await argon2Ms());
  // One Argon2id fills one core: what a server that hashes could do at best.
  const hashedPerSecond = (availableParallelism() * 1_000) / percentile(argon2, 50);
  const readyP99 = percentile(readyMs, 99);
  return [
    figure({
      ...{ name: 'login-storm.cpu', value: storm.cpuMs, unit: 'ms', floor: raw.cpuMs },
      target: `≤ ${MAX_CPU_MS} ms of the server's CPU a login, its events included`,
      met: storm.cpuMs <= MAX_CPU_MS,
    }),
    figure({
      ...{ name: 'login-storm.rate', value: storm.perSecond, unit: '/s', floor: hashedPerSecond },
      target: `≥ ${LEAST_GAIN} × what Argon2id on the server would allow (raw requests: ${Math.round(raw.perSecond)}/s)`,
      met: storm.perSecond >= LEAST_GAIN * hashedPerSecond,
    }),
    figure({
      ...{ name: 'login-storm.readyz_p99', value: readyP99, unit: 'ms', floor: percentile(readyMs, 50) },
      target: `< ${MAX_READY_MS} ms`,
      met: readyP99 < MAX_READY_MS,
      spread: spreadOf(readyMs),
    }),
    figure({
      ...{ name: 'login-storm.wrong', value: wrong, unit: 'logins', floor: 0 },
      target: 'none',
      met: wrong === 0,
    }),
  ];
}

async function storming(
  logins: number,
  pid: number,
  login: (at: number) => Promise<unknown>,
  quiet: () => Promise<void>,
): Promise<Storm> {
  const cpuBefore = cpuMsOf(pid);
  const beganMs = performance.now();
  await inParallel(
    Array.from({ length: logins }, (_, at) => at),
    AT_ONCE,
    login,
  );
  const tookMs = performance.now() - beganMs;
  // What a login leaves to be done is part of its price.
  await quiet();
  return { perSecond: (logins / tookMs) * 1_000, cpuMs: (cpuMsOf(pid) - cpuBefore) / logins };
}

/** The same number of requests of the same sizes, each with a signature to verify, one to make, and a durable write. */
async function rawStorm({ size, folder, processes }: BenchOptions, { site, identities }: FleetSite): Promise<Storm> {
  const raw = await startRawServer(site.primary.data, `${folder}/raw`, processes);
  const pair = generateKeyPairSync('ed25519');
  const key = pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64url');
  const signed = 'x'.repeat(REQUEST_BYTES / 2);
  const proof = sign(null, Buffer.from(signed), pair.privateKey).toString('base64url');
  const body = JSON.stringify({ key, signed, proof, answerBytes: ANSWER_BYTES });
  const clients = identities.map(identity => rawClient(raw.port, identity));
  const [first] = clients;
  if (first === undefined) throw new Error('no devices');
  const ownKey = pair.privateKey.export({ format: 'pem', type: 'pkcs8' });
  await rawAsk(first, 'POST', '/key', JSON.stringify({ ownKey }));
  const ask = (client: (typeof clients)[number]) => rawAsk(client, 'POST', '/login', body);
  await inParallel(clients, AT_ONCE, ask);
  const storm = await storming(
    LOGINS[size],
    raw.process.pid,
    at => ask(clients[at % clients.length] ?? first),
    async () => {},
  );
  await Promise.all(clients.map(client => client.destroy()));
  await raw.process.kill();
  return storm;
}

async function inParallel<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) await work(items[at] as T);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

export const loginStorm: Bench = {
  name: 'login-storm',
  about: 'logins of many devices through one server, against bare requests with the same signatures and writes',
  run,
};
