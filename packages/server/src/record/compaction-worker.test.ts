import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import type { CompactionOutcome } from '../ports.ts';
import { createCompactionWorker } from './compaction-worker.ts';
import { DatabaseUnavailable } from './errors.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const PRIMARY = { instance: 'primary', epoch: 1 };

function start({
  compact = async (): Promise<CompactionOutcome> => ({ kind: 'compacted', removed: 1, generation: 2 }),
} = {}) {
  const clock = manualClock();
  const rounds: { by: unknown; nowMs: number; signal: AbortSignal | undefined }[] = [];
  const lines: string[] = [];
  const say = (level: string) => (_data: unknown, text?: string) => void lines.push(`${level}: ${text}`);
  let primary: typeof PRIMARY | undefined = PRIMARY;
  const worker = createCompactionWorker({
    record: {
      compact(by, nowMs, signal) {
        rounds.push({ by, nowMs, signal });
        return compact();
      },
    },
    by: () => primary,
    clock,
    log: { info: say('info'), warn: say('warn'), error: say('error') },
  });
  worker.start();
  const become = (next: typeof PRIMARY | undefined) => {
    primary = next;
  };
  return { clock, rounds, lines, worker, become };
}

test('runs a minute after the start and then daily, with the time that it is', async () => {
  const { clock, rounds, lines, worker } = start();
  await clock.advance(MINUTE_MS - 1);
  assert.equal(rounds.length, 0);
  await clock.advance(1);
  assert.deepEqual([rounds.length, rounds[0]?.by, rounds[0]?.nowMs], [1, PRIMARY, clock.nowMs()]);
  await clock.advance(2 * DAY_MS);
  assert.equal(rounds.length, 3);
  assert.deepEqual(new Set(lines), new Set(['info: old tombstones were removed']));
  await worker.stop();
});

test('a Secondary leaves the database alone, and begins when it becomes the Primary', async () => {
  const { clock, rounds, worker, become } = start();
  become(undefined);
  await clock.advance(DAY_MS);
  assert.equal(rounds.length, 0);
  become(PRIMARY);
  await clock.advance(DAY_MS);
  assert.equal(rounds.length, 1);
  await worker.stop();
});

test('a database that is away costs a line in the log, and the round of the next day', async () => {
  const away = async () => {
    throw new DatabaseUnavailable('unreachable', 'away');
  };
  const { clock, rounds, lines, worker } = start({ compact: away });
  await clock.advance(MINUTE_MS + DAY_MS);
  assert.equal(rounds.length, 2);
  assert.deepEqual(new Set(lines), new Set(['warn: old tombstones were not removed']));
  await worker.stop();
});

test('stopping ends a round between two of its transactions, waits for it, and leaves no timer', async () => {
  const ended = Promise.withResolvers<CompactionOutcome>();
  const { clock, rounds, worker } = start({ compact: () => ended.promise });
  await clock.advance(MINUTE_MS);
  let stopped = false;
  const stop = worker.stop().then(() => {
    stopped = true;
  });
  await clock.advance(0);
  assert.deepEqual([rounds[0]?.signal?.aborted, stopped], [true, false]);
  ended.resolve({ kind: 'compacted', removed: 0, generation: 0 });
  await stop;
  await clock.advance(2 * DAY_MS);
  assert.deepEqual([rounds.length, clock.waiting()], [1, 0]);
});
