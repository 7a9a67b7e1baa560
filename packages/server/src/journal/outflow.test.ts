import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type ManualClock, manualClock } from '../../../../test/support/manual-clock.ts';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import { createDrain, type Drain } from './drain.ts';
import { type OpenJournal, openJournal } from './journal.ts';

describe('events that are under way when entries begin to go elsewhere', () => {
  let dir: string;
  let clock: ManualClock;
  let journal: OpenJournal;
  let drain: Drain;
  let held: { readonly answer: () => void } | undefined;
  let arrived: string[];
  const open = () => openJournal(join(dir, 'journal.db'), { clock });
  const event = recordedEvent();

  /** One batch is on its way to the old database, which answers when it is told to; what comes later arrives at once. */
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'thinman-outflow-'));
    clock = manualClock();
    journal = open();
    [held, arrived] = [undefined, []];
    journal.sendTo(1);
    drain = createDrain({
      ...{ journal, clock },
      async deliver(events) {
        const isFirst = held === undefined;
        if (isFirst) {
          const { promise, resolve } = Promise.withResolvers<void>();
          held = { answer: resolve };
          await promise;
        } else arrived.push(...events.map(({ id }) => id));
        return 'stored';
      },
    });
    await journal.append({ events: [event] });
    drain.wake();
    await clock.advance(0);
    assert.notEqual(held, undefined);
  });
  afterEach(async () => {
    await drain.stop();
    journal.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const oldDatabaseAnswers = async () => {
    held?.answer();
    await clock.advance(0);
  };

  it('go there as well: the answer of the old database says nothing of the new one', async () => {
    journal.sendTo(2);
    await oldDatabaseAnswers();
    assert.deepEqual([arrived, journal.pending()], [[event.id], 0]);
  });

  it('go again after a doubt that ended in the same epoch', async () => {
    journal.sendAgain();
    journal.sendTo(1);
    await oldDatabaseAnswers();
    assert.deepEqual([arrived, journal.pending()], [[event.id], 0]);
  });

  it('wait on disk for the next start, if this process ends before', async () => {
    journal.sendTo(2);
    const stopped = drain.stop();
    await oldDatabaseAnswers();
    await stopped;
    journal.close();
    journal = open();
    assert.deepEqual(
      journal.next(9).map(({ id }) => id),
      [event.id],
    );
  });

  it('go once where nothing has changed', async () => {
    journal.sendTo(1);
    await oldDatabaseAnswers();
    assert.deepEqual([arrived, journal.pending()], [[], 0]);
  });
});
