import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { createJournalAlarms, type JournalAlarms } from './journal-alarms.ts';

describe('what is said about the journal', () => {
  let pendingBytes: number;
  let appended: () => void;
  let told: string[];
  let logged: string[];
  let alarms: JournalAlarms;

  beforeEach(() => {
    [pendingBytes, told, logged] = [0, [], []];
    alarms = createJournalAlarms({
      journal: {
        load: () => ({ pendingBytes, limitBytes: 1_000 }),
        onAppended(listener) {
          appended = listener;
          return () => {
            appended = () => {};
          };
        },
      },
      tell: async (type, data) => told.push([type, data.percent ?? data.state ?? data.why].join(' ')),
      log: pino({ level: 'error' }, { write: line => void logged.push(JSON.parse(line).msg) }),
    });
  });
  const waits = (bytes: number) => {
    pendingBytes = bytes;
    appended();
  };

  it('at half and at 80 % of what may wait, once each', () => {
    for (const bytes of [100, 499, 500, 501, 799, 800, 990, 1_000]) waits(bytes);
    assert.deepEqual(told, ['journal.filling 50', 'journal.filling 80']);
    for (const bytes of [300, 600]) waits(bytes);
    assert.deepEqual(told.slice(2), ['journal.filling 50']);
  });

  it('when the room that is kept is used, lacking, and there again; not that it was made at first', () => {
    alarms.reserve('whole', 64);
    assert.deepEqual(told, []);
    for (const change of ['used', 'used', 'whole'] as const) alarms.reserve(change, 0);
    assert.deepEqual(told, ['journal.reserve used', 'journal.reserve used', 'journal.reserve whole']);
  });

  it('when events go around it, which is itself an event; that it works again is told by whoever tries it', () => {
    alarms.turn({ before: 'journal', path: 'direct', trouble: 'full' });
    alarms.turn({ before: 'direct', path: 'nowhere', trouble: 'full' });
    alarms.turn({ before: 'nowhere', path: 'journal', trouble: undefined });
    assert.deepEqual(told, ['journal.bypassed full']);
  });

  it('what to do about it: the disk, or the way out of a journal that is as full as it may be', () => {
    for (const [trouble, words] of [
      ['full', /look at the disk$/],
      ['limit', /look at the way to the source of record, or raise SiteSettings\.server\.journalLimitBytes$/],
    ] as const) {
      logged = [];
      alarms.turn({ before: 'journal', path: 'direct', trouble });
      alarms.turn({ before: 'direct', path: 'nowhere', trouble });
      assert.equal(logged.length, 2);
      for (const line of logged) assert.match(line, words);
    }
  });

  it('nothing after it was stopped', () => {
    alarms.stop();
    waits(900);
    assert.deepEqual(told, []);
  });
});
