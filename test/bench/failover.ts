import { createNetwork, type Host } from '../support/network/network.ts';
import { waitUntilOn } from '../support/site.ts';
import { ALICE } from '../support/ward.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { type BenchSite, startBenchSite } from './support/bench-site.ts';
import { logIn, loginMs, type TimedLogin } from './support/local-login.ts';
import { median, medianError, spreadOf } from './support/statistics.ts';

/** Times that the Primary fails in each way. */
const ROUNDS: Readonly<Record<Size, number>> = { small: 1, normal: 8, full: 40 };
/** Logins before the fault, and after the first one. */
const LOGINS_AROUND = 4;
/** An agent that has not taken the Primary by then has taken the Secondary. */
const START_MS = 3_000;
/** Of getting onto the Primary, and that many logins answered by it. */
const ATTEMPTS = 10;

type Fault = {
  readonly name: string;
  /** What the first login may take more: nothing to wait for when a connection breaks, else the hedge delay of 300 ms. */
  readonly allowedMs: number;
  begin(bench: BenchSite, primary: Host): Promise<unknown>;
  end(bench: BenchSite, primary: Host): Promise<unknown>;
};

const FAULTS: readonly Fault[] = [
  {
    ...{ name: 'killed', allowedMs: 50 },
    begin: ({ site }) => site.primary.kill(),
    end: ({ site }) => site.primary.start(),
  },
  {
    ...{ name: 'hung', allowedMs: 500 },
    begin: ({ site }) => site.primary.freeze(),
    end: async ({ site }) => site.primary.thaw(),
  },
  {
    ...{ name: 'blackholed', allowedMs: 500 },
    begin: (_bench, primary) => primary.dropPackets(),
    end: (_bench, primary) => primary.restore(),
  },
];

type Measured = { readonly first: number[]; readonly steady: number[] };

async function run({ size, folder, processes, say }: BenchOptions): Promise<readonly Figure[]> {
  await using network = await createNetwork(['primary', 'secondary']);
  const hosts = { primary: network.host('primary'), secondary: network.host('secondary') };
  const bench = await startBenchSite({ folder, processes, hosts });
  const normal: number[] = [];
  const measured = new Map<Fault, Measured>(FAULTS.map(fault => [fault, { first: [], steady: [] }]));
  for (let round = 0; round < ROUNDS[size]; round++) {
    for (const [fault, { first, steady }] of measured) {
      normal.push(...(await logInBefore(bench)));
      await fault.begin(bench, hosts.primary);
      first.push(await loginMs(bench.device, ALICE, 'online by secondary'));
      for (let login = 0; login < LOGINS_AROUND; login++) {
        steady.push(await loginMs(bench.device, ALICE, 'online by secondary'));
      }
      await fault.end(bench, hosts.primary);
      await comeBack(bench);
    }
    say(`round ${round + 1} of ${ROUNDS[size]}`);
  }
  return [...measured].flatMap(([fault, times]) => figuresOf(fault, times, normal));
}

/** Where a busy machine sent a login on to the Secondary, the device goes back first, and it is done again. */
async function logInBefore(bench: BenchSite): Promise<readonly number[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const logins: TimedLogin[] = [];
    for (let login = 0; login < LOGINS_AROUND; login++) logins.push(await logIn(bench.device, ALICE));
    if (logins.every(({ answer }) => answer.server === 'primary')) return logins.map(({ ms }) => ms);
    await comeBack(bench);
  }
  throw new Error(`the Primary answered no ${LOGINS_AROUND} logins in a row: the machine is too busy`);
}

/** Started anew, the agent takes the Primary at once; by itself it would go back within 75 s (failover.md, "failback"). */
export async function comeBack({ site, device }: BenchSite): Promise<void> {
  await site.primary.waitForStatus('to serve', ({ state }) => state === 'serving');
  for (let attempt = 1; ; attempt++) {
    await device.stop();
    await device.start();
    try {
      await waitUntilOn(device, site.primary, START_MS);
      break;
    } catch (error) {
      // A busy Primary answered too late, and the Secondary was taken.
      if (attempt === ATTEMPTS) throw error;
    }
  }
  // The first one opens the HTTPS connection, which is then kept.
  await logIn(device, ALICE);
}

function figuresOf({ name, allowedMs }: Fault, { first, steady }: Measured, normal: readonly number[]): Figure[] {
  const floor = median(normal);
  // "+ 0": two medians of the same thing differ by what either of them is uncertain by.
  const errorMs = medianError(steady) + medianError(normal);
  return [
    figure({
      ...{ name: `failover.${name}`, value: median(first), unit: 'ms', floor },
      target: `≤ floor + ${allowedMs} ms`,
      met: median(first) <= floor + allowedMs,
      spread: spreadOf(first),
    }),
    figure({
      ...{ name: `failover.${name}.steady`, value: median(steady), unit: 'ms', floor },
      target: `≤ floor + 0 (± ${errorMs.toFixed(1)}) ms`,
      met: median(steady) <= floor + errorMs,
      spread: spreadOf(steady),
    }),
  ];
}

export const failover: Bench = {
  name: 'failover',
  about:
    'the first login after the Primary is killed, hangs, or falls silent, and those after it, against one before it',
  run,
};
