import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { RecordedEvent } from '@thinman/protocol';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import { createDrain, type Delivery, type DrainOptions, LINGER_MS } from './drain.ts';

/** A journal in memory. */
function memoryJournal() {
  let waiting: RecordedEvent[] = [];
  const listeners = new Set<() => void>();
  return {
    append(...events: RecordedEvent[]) {
      waiting.push(...events);
      for (const listener of listeners) listener();
    },
    next(limit: number, maxChars = Number.POSITIVE_INFINITY) {
      let chars = 0;
      const end = waiting.findIndex((event, at) => {
        chars += JSON.stringify(event).length;
        return at === limit || (at > 0 && chars > maxChars);
      });
      return waiting.slice(0, end === -1 ? limit : end);
    },
    markDrained(events: readonly Pick<RecordedEvent, 'origin' | 'id'>[]) {
      waiting = waiting.filter(one => !events.some(({ id }) => id === one.id));
    },
    line: () => 0,
    pending: () => waiting.length,
    onAppended(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const HALF = () => 0.5; // no spread
const FIRST_RETRY_MS = 250;

describe('drain', () => {
  let clock: ManualClock;
  let journal: ReturnType<typeof memoryJournal>;
  let batches: RecordedEvent[][];
  let answer: () => Promise<Delivery>;

  beforeEach(() => {
    clock = manualClock();
    journal = memoryJournal();
    batches = [];
    answer = async () => 'stored';
  });

  const start = (more: Partial<DrainOptions> = {}) =>
    createDrain({
      journal,
      clock,
      random: HALF,
      nextTurn: async () => {},
      deliver(events) {
        batches.push([...events]);
        return answer();
      },
      ...more,
    });
  const events = (count: number) => Array.from({ length: count }, () => recordedEvent());
  const sizes = () => batches.map(({ length }) => length);

  it('carries away what waits at the start, oldest first, in batches', async () => {
    const all = events(7);
    journal.append(...all);
    start({ batchEvents: () => 3 });
    await clock.advance(0);
    assert.deepEqual(sizes(), [3, 3, 1]);
    assert.deepEqual(batches.flat(), all);
    assert.equal(journal.pending(), 0);
  });

  it('lets others have their turn after each batch, where the source of record answers at once', async () => {
    journal.append(...events(7));
    const turns: (() => void)[] = [];
    start({ batchEvents: () => 3, nextTurn: () => new Promise(resolve => void turns.push(resolve)) });
    await clock.advance(0);
    assert.deepEqual(sizes(), [3]);
    turns[0]?.();
    await clock.advance(0);
    assert.deepEqual(sizes(), [3, 3]);
  });

  it('wakes when something is appended, a moment later, and takes what comes meanwhile along', async () => {
    start();
    await clock.advance(60_000);
    assert.deepEqual(batches, []);
    journal.append(recordedEvent());
    await clock.advance(LINGER_MS - 1);
    assert.deepEqual(batches, []);
    journal.append(recordedEvent());
    await clock.advance(1);
    assert.deepEqual(sizes(), [2]);
    journal.append(recordedEvent());
    await clock.advance(LINGER_MS);
    assert.deepEqual(sizes(), [2, 1]);
  });

  it('has one batch under way at a time, and takes what came meanwhile with the next', async () => {
    const under = Promise.withResolvers<Delivery>();
    answer = () => under.promise;
    start();
    await clock.advance(0);
    journal.append(recordedEvent());
    await clock.advance(LINGER_MS);
    journal.append(recordedEvent());
    journal.append(recordedEvent());
    await clock.advance(LINGER_MS);
    assert.deepEqual(sizes(), [1]);
    answer = async () => 'stored';
    under.resolve('stored');
    await clock.advance(0);
    assert.deepEqual(sizes(), [1, 2]);
  });

  it('sends the same batch again after a pause that doubles, up to ten seconds', async () => {
    answer = async () => 'later';
    journal.append(...events(2));
    start();
    await clock.advance(0);
    assert.equal(batches.length, 1);
    await clock.advance(FIRST_RETRY_MS - 1);
    assert.equal(batches.length, 1);
    await clock.advance(1);
    assert.equal(batches.length, 2);
    await clock.advance(2 * FIRST_RETRY_MS);
    assert.equal(batches.length, 3);
    await clock.advance(600_000);
    const before = batches.length;
    await clock.advance(100_000);
    assert.equal(batches.length - before, 10);
    assert.deepEqual(new Set(sizes()), new Set([2]));
    assert.equal(journal.pending(), 2);
  });

  it('begins with the first pause again once something was stored', async () => {
    answer = async () => 'later';
    journal.append(recordedEvent());
    start();
    await clock.advance(30_000);
    answer = async () => 'stored';
    await clock.advance(10_000);
    assert.equal(journal.pending(), 0);
    answer = async () => 'later';
    journal.append(recordedEvent());
    await clock.advance(0);
    const before = batches.length;
    await clock.advance(FIRST_RETRY_MS);
    assert.equal(batches.length, before + 1);
  });

  it('spreads its pauses, so that those who lost a Primary together do not come back together', async () => {
    answer = async () => 'later';
    journal.append(recordedEvent());
    start({ random: () => 0 });
    await clock.advance(FIRST_RETRY_MS * 0.8);
    assert.equal(batches.length, 2);
  });

  it('takes a failed delivery for one that must be repeated, and tells why', async () => {
    const broken = new Error('the link broke');
    const told: unknown[] = [];
    answer = () => Promise.reject(broken);
    journal.append(recordedEvent());
    start({ onTrouble: error => told.push(error) });
    await clock.advance(0);
    assert.deepEqual(told, [broken]);
    answer = async () => 'stored';
    await clock.advance(FIRST_RETRY_MS);
    assert.equal(journal.pending(), 0);
    assert.equal(batches.length, 2);
  });

  it('sends again what was delivered but could not be marked', async () => {
    const { markDrained } = journal;
    let full = true;
    journal.markDrained = marked => {
      if (full) throw new Error('disk full');
      markDrained(marked);
    };
    journal.append(recordedEvent());
    start();
    await clock.advance(0);
    full = false;
    await clock.advance(FIRST_RETRY_MS);
    assert.equal(batches.length, 2);
    assert.equal(journal.pending(), 0);
  });

  it('does not try more often because more is appended', async () => {
    answer = async () => 'later';
    start();
    for (let i = 0; i < 50; i++) {
      journal.append(recordedEvent());
      await clock.advance(1);
    }
    assert.equal(batches.length, 1);
  });

  it('tries at once when woken: the link is there again', async () => {
    answer = async () => 'later';
    journal.append(recordedEvent());
    const drain = start();
    await clock.advance(5_000);
    answer = async () => 'stored';
    drain.wake();
    await clock.advance(0);
    assert.equal(journal.pending(), 0);
    assert.equal(clock.waiting(), 0);
  });

  it('tries once more at once when it was woken during a delivery that then failed', async () => {
    const under = Promise.withResolvers<Delivery>();
    answer = () => under.promise;
    journal.append(recordedEvent());
    const drain = start();
    await clock.advance(0);
    drain.wake();
    answer = async () => 'stored';
    under.resolve('later');
    await clock.advance(0);
    assert.equal(journal.pending(), 0);
  });

  it('keeps a batch below the size of a frame, and sends a single larger event all the same', async () => {
    const text = 'x'.repeat(1_000);
    journal.append(...Array.from({ length: 4 }, () => recordedEvent({ data: { text } })));
    start({ batchChars: 2_800 });
    await clock.advance(0);
    assert.deepEqual(sizes(), [2, 2]);
    journal.append(recordedEvent({ data: { text: 'y'.repeat(5_000) } }), recordedEvent());
    await clock.advance(LINGER_MS);
    assert.deepEqual(sizes(), [2, 2, 1, 1]);
  });

  describe('flushing', () => {
    it('is done at once when nothing waits', async () => {
      assert.equal(await start().flush(1_000), true);
    });

    it('does not wait for the next retry, and is done when all is stored', async () => {
      answer = async () => 'later';
      journal.append(...events(3));
      const drain = start({ batchEvents: () => 2 });
      await clock.advance(30_000);
      answer = async () => 'stored';
      const flushed = drain.flush(1_000);
      await clock.advance(0);
      assert.equal(await flushed, true);
      assert.equal(clock.waiting(), 0);
    });

    it('gives up at its deadline, and the retries go on', async () => {
      answer = async () => 'later';
      journal.append(recordedEvent());
      const drain = start();
      const flushed = drain.flush(1_000);
      await clock.advance(1_000);
      assert.equal(await flushed, false);
      answer = async () => 'stored';
      await clock.advance(10_000);
      assert.equal(journal.pending(), 0);
    });
  });

  describe('stopping', () => {
    it('begins no batch when it is stopped while others have their turn', async () => {
      journal.append(...events(5));
      const turns: (() => void)[] = [];
      const drain = start({ batchEvents: () => 3, nextTurn: () => new Promise(resolve => void turns.push(resolve)) });
      await clock.advance(0);
      let ended = false;
      const stopped = drain.stop().then(() => {
        ended = true;
      });
      drain.wake();
      await clock.advance(0);
      assert.equal(ended, false);
      turns[0]?.();
      await stopped;
      assert.deepEqual(sizes(), [3]);
    });

    it('ends the batch under way, and begins no other', async () => {
      const under = Promise.withResolvers<Delivery>();
      answer = () => under.promise;
      journal.append(...events(4));
      const drain = start({ batchEvents: () => 2 });
      await clock.advance(0);
      const stopped = drain.stop();
      under.resolve('stored');
      await stopped;
      await clock.advance(60_000);
      journal.append(recordedEvent());
      drain.wake();
      await clock.advance(60_000);
      assert.deepEqual(sizes(), [2]);
      assert.equal(journal.pending(), 3);
    });

    it('leaves no timer', async () => {
      answer = async () => 'later';
      journal.append(recordedEvent());
      const drain = start();
      await clock.advance(10);
      await drain.stop();
      assert.equal(clock.waiting(), 0);
    });
  });
});
