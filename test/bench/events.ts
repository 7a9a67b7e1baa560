import { join } from 'node:path';
import { type Bench, type BenchOptions, type Figure, figure, type Size } from './bench.ts';
import { insertRaw, storeThroughJournal } from './support/event-paths.ts';
import { interleave } from './support/interleave.ts';
import { median, spreadOf } from './support/statistics.ts';

const EVENTS: Readonly<Record<Size, number>> = { small: 1_000, normal: 20_000, full: 100_000 };
const ROUNDS: Readonly<Record<Size, number>> = { small: 2, normal: 9, full: 15 };
const ALLOWED_RATIO = 0.7;

async function run({ size, folder }: BenchOptions): Promise<readonly Figure[]> {
  const events = EVENTS[size];
  let rounds = 0;
  const stored: number[] = [];
  const rate = await interleave(ROUNDS[size], {
    acknowledged: async () => {
      const times = await storeThroughJournal(join(folder, `ours-${++rounds}`), events);
      stored.push(perSecond(events, times.storedMs));
      return perSecond(events, times.acknowledgedMs);
    },
    once: async () => perSecond(events, insertRaw(join(folder, `once-${rounds}`), events, 1)),
    twice: async () => perSecond(events, insertRaw(join(folder, `twice-${rounds}`), events, 2)),
  });
  // The round that warms up is not counted.
  stored.shift();
  const target = `≥ ${ALLOWED_RATIO} × floor`;
  const shown = (name: string, values: readonly number[], floors: readonly number[]) =>
    figure({
      ...{ name, value: median(values), unit: 'events/s', floor: median(floors), target },
      met: median(values) >= ALLOWED_RATIO * median(floors),
      spread: spreadOf(values, 0),
    });
  return [shown('events.acknowledged', rate.acknowledged, rate.once), shown('events.stored', stored, rate.twice)];
}

const MS_PER_SECOND = 1_000;
const perSecond = (events: number, ms: number) => (events / ms) * MS_PER_SECOND;

export const events: Bench = {
  name: 'events',
  about:
    'events through the journal, until acknowledged and until in the source of record, against raw durable inserts',
  run,
};
