import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_AGENT_TIMINGS } from '@thinman/protocol';
import { createNetwork } from '../support/network/network.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { barePingBytes } from './support/bare-pings.ts';
import { startBenchSite } from './support/bench-site.ts';
import { cpuMsOf, memoryOf } from './support/proc.ts';
import { startEmptyNode } from './support/start-time.ts';
import { median, spreadOf } from './support/statistics.ts';
import { bytesOnWire, type WireBytes } from './support/wire-bytes.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const IDLE_MS: Readonly<Record<Size, number>> = { small: 1_000, normal: MINUTE_MS, full: 5 * MINUTE_MS };
/** After its start and a login: idle connections end (30 s), and memory is given back (10 s). */
const SETTLE_MS: Readonly<Record<Size, number>> = { small: 0, normal: 40_000, full: MINUTE_MS };
/** Looks at the memory in the time that is measured. */
const LOOKS = 12;

const MB = 1e6;
const KB = 1e3;
const RESIDENT_ALLOWED_MB = 20;
const PROPORTIONAL_ALLOWED_MB = 35;
const CPU_ALLOWED_PERCENT = 0.1;
const BYTES_ALLOWED_KB = 40;

async function run({ size, folder, processes, say }: BenchOptions): Promise<readonly Figure[]> {
  await using network = await createNetwork(['primary', 'secondary']);
  const hosts = { primary: network.host('primary'), secondary: network.host('secondary') };
  const { device } = await startBenchSite({ folder, processes, hosts });
  using empty = await startEmptyNode();
  await delay(SETTLE_MS[size]);
  say(`idle for ${IDLE_MS[size] / 1_000} s`);
  const { pid } = device.process();
  const memory = { agent: [memoryOf(pid)], empty: [memoryOf(empty.pid)] };
  const before = { agentMs: cpuMsOf(pid), emptyMs: cpuMsOf(empty.pid), bytes: bytesOnWire(network) };
  for (let look = 0; look < LOOKS; look++) {
    await delay(IDLE_MS[size] / LOOKS);
    memory.agent.push(memoryOf(pid));
    memory.empty.push(memoryOf(empty.pid));
  }
  const percent = (ms: number) => (ms / IDLE_MS[size]) * 100;
  const cpu = { agent: percent(cpuMsOf(pid) - before.agentMs), empty: percent(cpuMsOf(empty.pid) - before.emptyMs) };
  const after = bytesOnWire(network);
  const kbAnHour = (which: keyof WireBytes) => (((after[which] - before.bytes[which]) / IDLE_MS[size]) * HOUR_MS) / KB;
  await device.stop();
  const pingsAnHour = HOUR_MS / DEFAULT_AGENT_TIMINGS.pingIntervalMs;
  const barePings = (await barePingBytes(network, folder, processes)) * pingsAnHour;

  const mb = (of: 'agent' | 'empty', which: 'resident' | 'proportional') => memory[of].map(seen => seen[which] / MB);
  const [resident, emptyResident] = [median(mb('agent', 'resident')), median(mb('empty', 'resident'))];
  const proportional = median(mb('agent', 'proportional'));
  return [
    figure({
      ...{ name: 'memory-agent.resident', value: resident, unit: 'MB', floor: emptyResident },
      target: `≤ floor + ${RESIDENT_ALLOWED_MB} MB`,
      met: resident <= emptyResident + RESIDENT_ALLOWED_MB,
      spread: spreadOf(mb('agent', 'resident')),
    }),
    figure({
      ...{ name: 'memory-agent.proportional', value: proportional, unit: 'MB' },
      floor: median(mb('empty', 'proportional')),
      target: `≤ ${PROPORTIONAL_ALLOWED_MB} MB`,
      met: proportional <= PROPORTIONAL_ALLOWED_MB,
      spread: spreadOf(mb('agent', 'proportional')),
    }),
    figure({
      ...{ name: 'memory-agent.cpu', value: cpu.agent, unit: '%', floor: cpu.empty },
      target: `< ${CPU_ALLOWED_PERCENT} %`,
      met: cpu.agent < CPU_ALLOWED_PERCENT,
    }),
    figure({
      ...{ name: 'memory-agent.bytes', value: kbAnHour('packets'), unit: 'kB/h', floor: barePings / KB },
      target: `< ${BYTES_ALLOWED_KB} kB/h`,
      met: kbAnHour('packets') < BYTES_ALLOWED_KB,
      spread: `${kbAnHour('payload').toFixed(1)} without headers of TCP and IP`,
    }),
  ];
}

export const memoryAgent: Bench = {
  name: 'memory-agent',
  about: 'memory, CPU and bytes on the wire of an idle agent, against an empty Node process and bare pings',
  run,
};
