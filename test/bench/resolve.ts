import { EVERYBODY } from '../../packages/server/src/core/reach.ts';
import { createBundles } from '../../packages/server/src/device-plane/bundles.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { interleave } from './support/interleave.ts';
import { ASKED, siteWithGroups } from './support/site-of-groups.ts';
import { median, spreadOf } from './support/statistics.ts';

const GROUPS = 1_000;
const FEW_GROUPS = 10;
/** With 1,000 groups: 10,000 assignments. */
const ASSIGNMENTS_PER_GROUP = 10;
/** Bundles in one measurement: some milliseconds, which a clock of a microsecond measures well. */
const BUNDLES_AT_ONCE = 50;
const ROUNDS: Readonly<Record<Size, number>> = { small: 2, normal: 200, full: 1_000 };
const ALLOWED_RATIO = 2;
const ALLOWED_MS = 1;

async function run({ size }: BenchOptions): Promise<readonly Figure[]> {
  const measured = await interleave(ROUNDS[size], {
    many: bundleMs(siteWithGroups(GROUPS, ASSIGNMENTS_PER_GROUP)),
    few: bundleMs(siteWithGroups(FEW_GROUPS, ASSIGNMENTS_PER_GROUP)),
  });
  const [value, floor] = [median(measured.many), median(measured.few)];
  return [
    figure({
      ...{ name: 'resolve.p50', value, unit: 'ms', floor },
      target: `≤ ${ALLOWED_RATIO} × floor, and < ${ALLOWED_MS} ms`,
      met: value <= ALLOWED_RATIO * floor && value < ALLOWED_MS,
      spread: spreadOf(measured.many, 3),
    }),
  ];
}

/** ms of one bundle: the policy and the profile of one user on one device, and the hash over them, with nothing remembered. */
function bundleMs(site: ReturnType<typeof siteWithGroups>): () => Promise<number> {
  let revision = 0;
  const view = {
    config: () => site.config,
    configFor: () => site.config,
    files: () => new Map(),
    targetsOf: () => [],
    settings: () => ({}),
    revision: () => ++revision,
    reach: () => EVERYBODY,
    close: () => {},
  };
  const bundles = createBundles(
    view,
    { site: () => undefined },
    sealed => sealed,
    () => '',
  );
  return async () => {
    const startedMs = performance.now();
    for (let done = 0; done < BUNDLES_AT_ONCE; done++) {
      const { settings, profile } = bundles.user(ASKED.device, ASKED.user);
      if (Object.keys(settings).length === 0 || profile.connections.length === 0) throw new Error('nothing resolved');
    }
    return (performance.now() - startedMs) / BUNDLES_AT_ONCE;
  };
}

export const resolve: Bench = {
  name: 'resolve',
  about: `a user’s bundle in a site of ${GROUPS} groups and ${GROUPS * ASSIGNMENTS_PER_GROUP} assignments, against ${FEW_GROUPS} groups`,
  run,
};
