// Delay and loss for the hosts of a network, packet by packet. Many kernels are built without their own way to do it (tc netem), so
// packets take a detour: what a host sends over its second interface, a TUN device, comes to this process, which passes it on
// when its time has come.
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Running } from '../processes.ts';
import { runProgram, startProgram } from '../programs.ts';
import { waitFor } from '../wait.ts';
import { OUTSIDE, type Wiring } from './namespaces.ts';
import { type Faults, pairOf } from './switch-rules.ts';

/** Of every packet that the host sends or receives: a round trip takes twice as long. */
export type Slowness = {
  readonly delayMs: number;
  /** The delay is up to this much more or less: packets overtake each other. Default 0. */
  readonly jitterMs?: number;
  /** Default 0. */
  readonly lossPercent?: number;
};

export type SlowWires = AsyncDisposable & {
  setSlowness(name: string, slowness: Slowness | undefined): void;
};

const RELAY_PORT = 4000;
const HOST_PORT = 4001;
/** Room for the headers around a packet on its detour, in frames of 1,500 bytes. */
const MTU_BYTES = 1_400;
const DEVICE = 'slow';

export type SlowWiresOptions = {
  /** All hosts but this process. */
  readonly names: readonly string[];
  readonly wiring: Wiring;
  /** As they are now. */
  readonly faults: () => Faults;
};

export async function laySlowWires({ names, wiring, faults }: SlowWiresOptions): Promise<SlowWires> {
  await using unfinished = new AsyncDisposableStack();
  const slow = new Map<string, Slowness>();
  const relay = await relayPackets([OUTSIDE, ...names], wiring, (from, to) => {
    const delays = [from, to].map(name => drawDelayMs(slow.get(name)));
    const isLost = delays.includes(undefined) || faults().cut.has(pairOf(from, to));
    return isLost ? undefined : delays.reduce<number>((sum, delayMs = 0) => sum + delayMs, 0);
  });
  unfinished.use(relay);
  const logs = await mkdtemp(join(tmpdir(), 'thinman-network-'));
  unfinished.defer(() => rm(logs, { recursive: true, force: true, maxRetries: 3 }));
  for (const name of [OUTSIDE, ...names]) unfinished.use(await startDetour(name, wiring, logs));
  const owned = unfinished.move();
  return {
    setSlowness: (name, slowness) => {
      if (slowness === undefined) slow.delete(name);
      else slow.set(name, slowness);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The TUN device of a host, and the process between it and the relay. */
async function startDetour(name: string, wiring: Wiring, logs: string): Promise<AsyncDisposable> {
  const isHere = name === OUTSIDE;
  const device = isHere ? `${DEVICE}${wiring.subnet}` : DEVICE;
  const [own, relay] = [wiring.addressOf(name), wiring.addressOf(OUTSIDE)];
  const running: Running = startProgram({
    name: `detour-${name}`,
    command: [
      'socat',
      ...['-d', '-d'],
      `TUN:${wiring.detourOf(name)}/24,tun-type=tun,tun-name=${device},iff-no-pi,iff-up`,
      `UDP4-DATAGRAM:${relay}:${RELAY_PORT},bind=${own}:${HOST_PORT}`,
    ],
    ...(isHere ? {} : { inside: { command: ['ip', 'netns', 'exec', wiring.namespaceOf(name)] } }),
    logs,
  });
  await waitFor(`the second interface of ${name}`, () => {
    if (!running.isRunning()) throw new Error(running.stderr());
    // Told by "-d -d".
    return running.stderr().includes('starting data transfer loop') || undefined;
  });
  const namespace = isHere ? [] : ['-netns', wiring.namespaceOf(name)];
  await runProgram('ip', ...namespace, 'link', 'set', 'dev', device, 'mtu', String(MTU_BYTES));
  return { [Symbol.asyncDispose]: async () => void (await running.kill()) };
}

/** In the header of IPv4: the last byte of the destination, which is the host's number in its subnet. */
const DESTINATION_BYTE = 19;
const numberOf = (address: string) => Number(address.slice(address.lastIndexOf('.') + 1));

/** `judge`: after how many ms a packet is passed on; never, if undefined. */
async function relayPackets(
  hosts: readonly string[],
  wiring: Wiring,
  judge: (from: string, to: string) => number | undefined,
): Promise<AsyncDisposable> {
  const byNumber = new Map(hosts.map(name => [numberOf(wiring.addressOf(name)), name]));
  const onTheWay = new Set<NodeJS.Timeout>();
  const relay = createSocket('udp4');
  relay.on('message', (packet, { address }) => {
    const from = byNumber.get(numberOf(address));
    const to = byNumber.get(packet[DESTINATION_BYTE] ?? -1);
    const delayMs = from === undefined || to === undefined ? undefined : judge(from, to);
    if (delayMs === undefined || to === undefined) return;
    const timer = setTimeout(() => {
      onTheWay.delete(timer);
      relay.send(packet, HOST_PORT, wiring.addressOf(to));
    }, delayMs);
    onTheWay.add(timer);
  });
  await new Promise<void>(resolve => relay.bind(RELAY_PORT, wiring.addressOf(OUTSIDE), resolve));
  return {
    [Symbol.asyncDispose]: async () => {
      for (const timer of onTheWay) clearTimeout(timer);
      await new Promise<void>(resolve => relay.close(() => resolve()));
    },
  };
}

/** Nothing when the packet is lost. */
function drawDelayMs({ delayMs, jitterMs = 0, lossPercent = 0 }: Slowness = { delayMs: 0 }): number | undefined {
  if (Math.random() * 100 < lossPercent) return undefined;
  return Math.max(0, delayMs + (Math.random() * 2 - 1) * jitterMs);
}
