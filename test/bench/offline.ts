import { ALICE } from '../support/ward.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { argon2Ms } from './support/argon2.ts';
import { startBenchSite } from './support/bench-site.ts';
import { interleave } from './support/interleave.ts';
import { loginMs } from './support/local-login.ts';
import { commandStartMs, emptyStartMs } from './support/start-time.ts';
import { median, spreadOf } from './support/statistics.ts';

const LOGINS: Readonly<Record<Size, number>> = { small: 2, normal: 60, full: 300 };
const STARTS: Readonly<Record<Size, number>> = { small: 2, normal: 30, full: 100 };
/** As for an online login: one row opened, two transactions, one refused connection. */
const LOGIN_ALLOWED_MS = 5;
/** Reading the bundle, opening the cache, and being refused by both servers. */
const START_ALLOWED_MS = 100;

async function run({ size, folder, processes }: BenchOptions): Promise<readonly Figure[]> {
  const { site, device } = await startBenchSite({ folder, processes });
  await Promise.all(site.servers.map(server => server.kill()));
  await device.waitForStatus('to know that both servers are dead', ({ mode }) => mode === 'offline');
  const logins = await interleave(LOGINS[size], {
    login: () => loginMs(device, ALICE, 'offline'),
    argon2: argon2Ms,
  });
  await device.stop();
  const starts = await interleave(STARTS[size], {
    agent: () => commandStartMs('thinman-agent', ['start', '--data', device.data], /^READY mode=offline$/m),
    empty: emptyStartMs,
  });
  const [login, argon2] = [median(logins.login), median(logins.argon2)];
  const [start, empty] = [median(starts.agent), median(starts.empty)];
  return [
    figure({
      ...{ name: 'offline.login.p50', value: login, unit: 'ms', floor: argon2 },
      target: `≤ floor + ${LOGIN_ALLOWED_MS} ms`,
      met: login <= argon2 + LOGIN_ALLOWED_MS,
      spread: spreadOf(logins.login),
    }),
    figure({
      ...{ name: 'offline.start', value: start, unit: 'ms', floor: empty },
      target: `≤ floor + ${START_ALLOWED_MS} ms`,
      met: start <= empty + START_ALLOWED_MS,
      spread: spreadOf(starts.agent),
    }),
  ];
}

export const offline: Bench = {
  name: 'offline',
  about:
    'a login from the cache against one Argon2id; an agent’s start until it is ready offline against an empty process',
  run,
};
