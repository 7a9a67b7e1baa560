import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JournalUnavailable } from '../journal/errors.ts';
import type { Journal } from '../ports.ts';
import { guardJournal } from './guarded-journal.ts';

/** What SQLite says of a full disk, as the journal passes it on. */
const full = () =>
  new JournalUnavailable(Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' }));

function guarded() {
  let failure: Error | undefined;
  let written = 0;
  const timers: (() => void)[] = [];
  const turns: boolean[] = [];
  const append: Journal['append'] = async () => {
    if (failure !== undefined) throw failure;
    written += 1;
  };
  const guard = guardJournal({ append } as Journal, {
    clock: {
      after(_delayMs, action) {
        timers.push(action);
        return () => {};
      },
    },
    probe: journal => journal.append({ events: [] }),
    onTurn: healthy => turns.push(healthy),
  });
  return {
    ...{ guard, turns },
    fails(error: Error | undefined) {
      failure = error;
    },
    written: () => written,
    async probe() {
      timers.splice(0).forEach(action => {
        action();
      });
      await new Promise(setImmediate);
    },
  };
}

describe('the guard of the journal', () => {
  it('knows from the first failure that no event can be written, and finds out by itself when one can', async () => {
    const { guard, turns, fails, probe } = guarded();
    fails(Object.assign(full(), { trouble: 'full' }));
    await assert.rejects(guard.journal.append({ events: [] }), JournalUnavailable);
    assert.equal(guard.healthy(), false);
    await probe();
    assert.equal(guard.healthy(), false);
    fails(undefined);
    await probe();
    assert.equal(guard.healthy(), true);
    assert.deepEqual(turns, [false, true]);
  });

  it('does not take one entry that no disk would take for a full disk', async () => {
    const { guard, turns, fails } = guarded();
    fails(Object.assign(full(), { trouble: 'refused' }));
    await assert.rejects(guard.journal.append({ events: [] }));
    assert.equal(guard.healthy(), true);
    assert.deepEqual(turns, []);
  });
});
