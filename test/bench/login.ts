import { ALICE } from '../support/ward.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { argon2Ms } from './support/argon2.ts';
import { startBareHttps } from './support/bare-https.ts';
import { startBenchSite } from './support/bench-site.ts';
import { interleave } from './support/interleave.ts';
import { loginMs } from './support/local-login.ts';
import { median, spreadOf } from './support/statistics.ts';

/** A median of 60 moves by less than a millisecond from run to run on a quiet machine. */
const ROUNDS: Readonly<Record<Size, number>> = { small: 3, normal: 60, full: 300 };
/** What everything of ours may take: two signatures, two transactions, JSON and a turn through both processes. */
const ALLOWED_MS = 5;

async function run({ size, folder, processes }: BenchOptions): Promise<readonly Figure[]> {
  const { device } = await startBenchSite({ folder, processes });
  using bare = await startBareHttps(`${folder}/bare`, processes);
  const measured = await interleave(ROUNDS[size], {
    login: () => loginMs(device, ALICE, 'online by primary'),
    argon2: argon2Ms,
    request: bare.requestMs,
  });
  const floor = median(measured.argon2) + median(measured.request);
  const value = median(measured.login);
  return [
    figure({
      ...{ name: 'login.p50', value, unit: 'ms', floor },
      target: `≤ floor + ${ALLOWED_MS} ms`,
      met: value <= floor + ALLOWED_MS,
      spread: spreadOf(measured.login),
    }),
  ];
}

export const login: Bench = {
  name: 'login',
  about: 'an online login, from the agent’s socket to its answer, against one Argon2id and one empty mTLS request',
  run,
};
