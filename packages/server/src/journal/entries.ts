import type { RecordedEvent } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import { ENTRY_OVERHEAD_BYTES } from './tables.ts';

/** Drained entries that go in one statement when their room is needed: a few milliseconds, and a small write-ahead log. */
const FORGOTTEN_AT_ONCE = 100;

export type Totals = { readonly pending: number; readonly pendingBytes: number; readonly drainedBytes: number };

/** The queue itself. `write` functions run inside the caller's transaction. */
export function prepareEntries(handle: Database.Database) {
  const insert = handle.prepare(
    'INSERT INTO entries (origin, id, event) VALUES (?, ?, ?) ON CONFLICT (origin, id) DO NOTHING',
  );
  const oldest = handle
    .prepare<unknown[], string>('SELECT event FROM entries WHERE drainedAtMs IS NULL ORDER BY sequence LIMIT ?')
    .pluck();
  const drained = handle.prepare(
    'UPDATE entries SET drainedAtMs = ? WHERE origin = ? AND id = ? AND drainedAtMs IS NULL',
  );
  const forget = handle.prepare(
    `DELETE FROM entries WHERE drainedAtMs IS NOT NULL ORDER BY drainedAtMs LIMIT ${FORGOTTEN_AT_ONCE}`,
  );
  const totals = handle.prepare<unknown[], Totals>('SELECT pending, pendingBytes, drainedBytes FROM totals');
  return {
    /** `text`: the event as JSON. */
    add: ({ origin, id }: RecordedEvent, text: string) => void insert.run(origin, id, text),
    next: (limit: number) => oldest.all(limit).map(event => JSON.parse(event) as RecordedEvent),
    markDrained: (events: readonly Pick<RecordedEvent, 'origin' | 'id'>[], nowMs: number) => {
      for (const { origin, id } of events) drained.run(nowMs, origin, id);
    },
    /** The oldest of those that are drained; false: there was none. */
    forgetDrained: () => forget.run().changes > 0,
    totals: (): Totals => totals.get() ?? { pending: 0, pendingBytes: 0, drainedBytes: 0 },
  };
}

/** What an event takes in the journal. */
export const entryBytes = (event: RecordedEvent): number => textBytes(JSON.stringify(event));

/** The same of one that is JSON already. */
export const textBytes = (text: string): number => Buffer.byteLength(text) + ENTRY_OVERHEAD_BYTES;
