import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import type { RecordedEvent } from '@thinman/protocol';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import type { Delivery } from '../journal/drain.ts';
import { type JournalTrouble, JournalUnavailable } from '../journal/errors.ts';
import type { Journal, JournalEntry } from '../ports.ts';
import { createDirectPath } from './direct-path.ts';
import { type GuardedJournal, guardJournal } from './guarded-journal.ts';

const PROBE_MS = 2_000;

describe('the guard of the journal', () => {
  let clock: ManualClock;
  /** What the journal says to an entry; undefined: it takes it. */
  let trouble: JournalTrouble | undefined;
  let answer: () => Promise<Delivery>;
  let wayIsOpen: boolean;
  let written: JournalEntry[];
  let delivered: RecordedEvent[][];
  let turns: string[];
  let taken: number;
  let guard: GuardedJournal;

  beforeEach(() => {
    clock = manualClock();
    [trouble, wayIsOpen, taken] = [undefined, true, 0];
    [written, delivered, turns] = [[], [], []];
    answer = async () => 'stored';
    const journal = {
      async append(entry: JournalEntry) {
        if (trouble !== undefined) throw Object.assign(new JournalUnavailable(new Error(trouble)), { trouble });
        written.push(entry);
      },
      remembered: id => written.find(({ remember }) => remember?.loginId === id)?.remember,
      failures: () => written.flatMap(({ failure }) => failure ?? []),
      lastGrantMs: () => undefined,
      knowsFailure: () => false,
      isEnded: () => false,
      endedFor: () => [],
    } as Partial<Journal> as Journal;
    guard = guardJournal(journal, {
      clock,
      direct: createDirectPath(events => {
        delivered.push([...events]);
        return answer();
      }, clock),
      wayIsOpen: () => wayIsOpen,
      probe: (through, path) => through.append({ events: [{ ...recordedEvent(), type: `probe.${path}` }] }),
      onTurn: ({ before, path }) => turns.push(`${before} > ${path}`),
      onTaken: () => taken++,
    });
  });

  const event = () => ({ events: [recordedEvent()] });
  const login = () => ({
    ...event(),
    remember: { loginId: randomUUID(), binding: 'b', outcome: 'denied', subject: { epoch: 1, generation: 2 } },
    failure: { loginId: randomUUID(), deviceId: 'd', user: 'u', sentHash: randomUUID(), atMs: clock.nowMs() },
  });
  const append = (entry: JournalEntry) => guard.journal.append(entry);

  it('asks nobody else while the journal takes events', async () => {
    await append(event());
    assert.deepEqual([guard.path(), guard.healthy(), turns, delivered], ['journal', true, [], []]);
  });

  it('sends events straight to the source of record when the journal takes none, before it says that they are durable', async () => {
    trouble = 'full';
    const delivery = Promise.withResolvers<Delivery>();
    answer = () => delivery.promise;
    const entry = event();
    let done = false;
    const appended = append(entry).then(() => {
      done = true;
    });
    await clock.advance(100);
    assert.deepEqual(delivered, [entry.events]);
    assert.equal(done, false);
    delivery.resolve('stored');
    await appended;
    assert.deepEqual([guard.path(), guard.healthy(), turns], ['direct', true, ['journal > direct']]);
  });

  it('keeps the rest of such a login in memory, and brings it back when the journal works again', async () => {
    trouble = 'full';
    const first = login();
    await append(first);
    assert.deepEqual(guard.journal.remembered(first.remember.loginId), first.remember);
    assert.deepEqual(guard.journal.failures({ sinceMs: 0 }), [first.failure]);
    trouble = undefined;
    await clock.advance(PROBE_MS);
    assert.equal(guard.path(), 'journal');
    assert.deepEqual(written.slice(1), [
      { events: [], remember: first.remember },
      { events: [], failure: first.failure },
    ]);
    assert.deepEqual(guard.journal.failures({ sinceMs: 0 }), [first.failure], 'counted once');
  });

  it('refuses when neither the journal nor the source of record takes it, and finds out by itself when one does', async () => {
    trouble = 'full';
    answer = async () => 'later';
    await assert.rejects(append(event()), { name: 'JournalUnavailable', trouble: 'full' });
    assert.deepEqual([guard.path(), guard.healthy(), taken], ['nowhere', false, 0]);
    await clock.advance(5 * PROBE_MS);
    assert.equal(guard.healthy(), false);
    answer = async () => 'stored';
    await clock.advance(PROBE_MS);
    assert.deepEqual([guard.path(), guard.healthy()], ['direct', true]);
    trouble = undefined;
    await clock.advance(PROBE_MS);
    assert.deepEqual(turns, ['journal > nowhere', 'nowhere > direct', 'direct > journal']);
    assert.equal(clock.waiting(), 0);
  });

  it('does not wait for a source of record that is known to be away', async () => {
    trouble = 'unreadable';
    wayIsOpen = false;
    await assert.rejects(append(event()), JournalUnavailable);
    assert.deepEqual([delivered, guard.healthy()], [[], false]);
  });

  it('is not healthy from the moment when the only way is closed', async () => {
    trouble = 'full';
    await append(event());
    assert.equal(guard.healthy(), true);
    wayIsOpen = false;
    assert.equal(guard.healthy(), false);
  });

  it('gives a source of record that hangs two seconds: another server must still have time to answer', async () => {
    trouble = 'full';
    answer = () => new Promise(() => {});
    const refused = assert.rejects(append(event()), JournalUnavailable);
    await clock.advance(2_000);
    await refused;
    assert.equal(guard.healthy(), false);
  });

  it('sends what comes during a delivery with the next one', async () => {
    trouble = 'full';
    const delivery = Promise.withResolvers<Delivery>();
    answer = () => delivery.promise;
    const entries = Array.from({ length: 4 }, event);
    const appended = Promise.all(entries.map(append));
    await clock.advance(10);
    answer = async () => 'stored';
    delivery.resolve('stored');
    await appended;
    assert.deepEqual(delivered, [entries[0]?.events, entries.slice(1).flatMap(({ events }) => events)]);
  });

  it('does not take one entry that no disk would take for a full disk', async () => {
    trouble = 'refused';
    await assert.rejects(append(event()));
    assert.deepEqual([guard.healthy(), turns, delivered], [true, [], []]);
  });

  it('writes no event of its own while it asks whether the journal works again', async () => {
    trouble = 'full';
    await append(event());
    await clock.advance(20 * PROBE_MS);
    assert.equal(delivered.length, 1);
  });

  it('does not tell of each turn of a journal that takes some and refuses others', async () => {
    for (let i = 0; i < 30; i++) {
      trouble = 'full';
      await append(event());
      trouble = undefined;
      await append(event());
      await clock.advance(PROBE_MS);
    }
    assert.ok(turns.length <= 12, String(turns.length));
  });

  it('takes facts of other servers all the same', async () => {
    trouble = 'full';
    const { failure } = login();
    await append({ events: [], heard: { from: 'secondary', failures: [failure], grants: [] } });
    assert.deepEqual(guard.journal.failures({ sinceMs: 0 }), [failure]);
    assert.equal(guard.path(), 'journal');
  });
});
