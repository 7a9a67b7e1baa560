import { join } from 'node:path';
import { SYNC_INTERVAL_MS } from '@thinman/protocol';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { openReplica } from '../../packages/server/src/replica/replica.ts';
import { systemClock } from '../../packages/server/src/runtime/clock.ts';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { startBenchSite } from './support/bench-site.ts';
import { interleave, timed } from './support/interleave.ts';
import { fillRecord, selectAll } from './support/large-record.ts';
import { median, spreadOf } from './support/statistics.ts';
import { changeVisibleMs } from './support/visible-change.ts';

const OBJECTS: Readonly<Record<Size, number>> = { small: 2_000, normal: 200_000, full: 200_000 };
const SYNCS: Readonly<Record<Size, number>> = { small: 2, normal: 5, full: 15 };
const CHANGES: Readonly<Record<Size, number>> = { small: 3, normal: 60, full: 200 };
const ALLOWED_RATIO = 3;
/** Reading the feed, writing it into the replica, and seeing it from outside. */
const ALLOWED_MS = 20;

async function run({ size, folder, processes, say }: BenchOptions): Promise<readonly Figure[]> {
  const dataDir = join(folder, 'large');
  await fillRecord(dataDir, OBJECTS[size]);
  say(`a source of record of ${OBJECTS[size]} objects is made`);
  let made = 0;
  const syncs = await interleave(SYNCS[size], {
    sync: () => fullSyncMs(dataDir, join(dataDir, `replica-${++made}.db`), OBJECTS[size]),
    select: () => timed(() => selectAll(dataDir)),
  });
  const { site } = await startBenchSite({ folder: join(folder, 'site'), processes });
  const visible: number[] = [];
  for (let change = 0; change < CHANGES[size]; change++) visible.push(await changeVisibleMs(site, change));
  const [sync, select, longest] = [median(syncs.sync), median(syncs.select), Math.max(...visible)];
  return [
    figure({
      ...{ name: 'sync.full', value: sync, unit: 'ms', floor: select },
      target: `≤ ${ALLOWED_RATIO} × floor`,
      met: sync <= ALLOWED_RATIO * select,
      spread: spreadOf(syncs.sync, 0),
    }),
    figure({
      ...{ name: 'sync.change.longest', value: longest, unit: 'ms', floor: SYNC_INTERVAL_MS },
      target: `≤ floor + ${ALLOWED_MS} ms`,
      met: longest <= SYNC_INTERVAL_MS + ALLOWED_MS,
      spread: spreadOf(visible, 0),
    }),
  ];
}

/** An empty replica, until it has everything. */
async function fullSyncMs(dataDir: string, path: string, objects: number): Promise<number> {
  const record = openSourceOfRecord('sqlite:site.db', { dataDir, readOnly: true, clock: systemClock });
  const replica = openReplica(path, { clock: systemClock });
  try {
    const ms = await timed(async () => replica.apply(await record.feed(replica.position())));
    if (replica.count('Device') !== objects) throw new Error(`the replica has ${replica.count('Device')} devices`);
    return ms;
  } finally {
    replica.close();
    await record.close();
  }
}

export const sync: Bench = {
  name: 'sync',
  about: 'a replica filled with 200,000 objects against a SELECT of them; one change, until the Secondary has it',
  run,
};
