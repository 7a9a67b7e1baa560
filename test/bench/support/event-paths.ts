import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordedEvent } from '@thinman/protocol';
import Database from 'better-sqlite3';
import { createDrain, RECORD_DRAIN_EVENTS } from '../../../packages/server/src/journal/drain.ts';
import { openJournal } from '../../../packages/server/src/journal/journal.ts';
import { openSourceOfRecord } from '../../../packages/server/src/record/source-of-record.ts';
import { systemClock } from '../../../packages/server/src/runtime/clock.ts';
import { newSite, recordedEvent } from '../../support/record-fixtures.ts';

/** Events that come in one turn of a busy server's loop, and share a transaction: those of 100 logins. */
const AT_ONCE = 100;
/** Many times what the largest size takes. */
const PATIENCE_MS = 300_000;

export type PathTimes = {
  /** Until the last one was acknowledged: it is in the journal, durably. */
  readonly acknowledgedMs: number;
  /** Until the last one was in the source of record, and marked as drained. */
  readonly storedMs: number;
};

/** A server's own way of events, in this process, on the embedded source of record. */
export async function storeThroughJournal(folder: string, count: number): Promise<PathTimes> {
  mkdirSync(folder, { recursive: true });
  const record = openSourceOfRecord('sqlite:site.db', { dataDir: folder, clock: systemClock });
  await record.initialise(newSite(), []);
  const journal = openJournal(join(folder, 'journal.db'), { clock: systemClock });
  const events = newEvents(count);
  try {
    const startedMs = performance.now();
    for (let first = 0; first < count; first += AT_ONCE) {
      await Promise.all(events.slice(first, first + AT_ONCE).map(event => journal.append({ events: [event] })));
    }
    const acknowledgedMs = performance.now() - startedMs;
    const drain = createDrain({
      ...{ journal, clock: systemClock, batchEvents: () => RECORD_DRAIN_EVENTS },
      deliver: async some => {
        await record.storeEvents(some);
        return 'stored';
      },
    });
    if (!(await drain.flush(PATIENCE_MS))) throw new Error(`the journal was not drained within ${PATIENCE_MS} ms`);
    const storedMs = performance.now() - startedMs;
    await drain.stop();
    const found = countIn(join(folder, 'site.db'));
    if (found !== count) throw new Error(`${found} of ${count} events are in the source of record`);
    return { acknowledgedMs, storedMs };
  } finally {
    journal.close();
    await record.close();
  }
}

/** ms for the same rows into one plain table with the same key, or into two, one after the other, flushed as often. */
export function insertRaw(folder: string, count: number, files: 1 | 2): number {
  mkdirSync(folder, { recursive: true });
  const inserts = Array.from({ length: files }, (_, nth) => prepareRaw(join(folder, `raw-${nth}.db`)));
  const events = newEvents(count);
  const startedMs = performance.now();
  for (const insert of inserts) {
    for (let first = 0; first < count; first += AT_ONCE) insert(events.slice(first, first + AT_ONCE));
  }
  const ms = performance.now() - startedMs;
  for (const { close } of inserts) close();
  return ms;
}

function prepareRaw(path: string) {
  const handle = new Database(path);
  handle.pragma('journal_mode = WAL');
  handle.pragma('synchronous = FULL');
  handle.exec('CREATE TABLE events (origin TEXT NOT NULL, id TEXT NOT NULL, event TEXT NOT NULL, UNIQUE (origin, id))');
  const row = handle.prepare('INSERT INTO events VALUES (?, ?, ?) ON CONFLICT (origin, id) DO NOTHING');
  const insert = handle.transaction((events: readonly RecordedEvent[]) => {
    for (const event of events) row.run(event.origin, event.id, JSON.stringify(event));
  });
  return Object.assign(insert, { close: () => handle.close() });
}

const newEvents = (count: number) => Array.from({ length: count }, () => recordedEvent());

function countIn(path: string): number {
  const handle = new Database(path, { readonly: true });
  try {
    return handle.prepare<[], number>('SELECT count(*) FROM events').pluck().get() ?? 0;
  } finally {
    handle.close();
  }
}
