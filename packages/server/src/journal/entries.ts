import type { RecordedEvent } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import { ENTRY_OVERHEAD_BYTES } from './tables.ts';

/** Drained entries that go in one statement when their room is needed: a few milliseconds, and a small write-ahead log. */
const FORGOTTEN_AT_ONCE = 100;

export type Totals = { readonly pending: number; readonly pendingBytes: number; readonly drainedBytes: number };

type Given = { readonly events: readonly RecordedEvent[]; readonly first: number; readonly last: number };

/** The queue itself. `write` functions run inside the caller's transaction. */
export function prepareEntries(handle: Database.Database) {
  const insert = handle.prepare(
    'INSERT INTO entries (origin, id, event) VALUES (?, ?, ?) ON CONFLICT (origin, id) DO NOTHING',
  );
  const oldest = handle.prepare<unknown[], { sequence: number; event: string }>(
    'SELECT sequence, event FROM entries WHERE drainedAtMs IS NULL ORDER BY sequence LIMIT ?',
  );
  const oldestOne = handle
    .prepare<unknown[], number>(
      `SELECT event ->> '$.takenAt' FROM entries WHERE drainedAtMs IS NULL ORDER BY sequence LIMIT 1`,
    )
    .pluck();
  const drained = handle.prepare(
    'UPDATE entries SET drainedAtMs = ? WHERE origin = ? AND id = ? AND drainedAtMs IS NULL',
  );
  const drainedRange = handle.prepare(
    'UPDATE entries SET drainedAtMs = ? WHERE sequence BETWEEN ? AND ? AND drainedAtMs IS NULL',
  );
  const forget = handle.prepare(
    `DELETE FROM entries WHERE drainedAtMs IS NOT NULL ORDER BY drainedAtMs LIMIT ${FORGOTTEN_AT_ONCE}`,
  );
  const totals = handle.prepare<unknown[], Totals>('SELECT pending, pendingBytes, drainedBytes FROM totals');
  /** What was given last. */
  let given: Given | undefined;

  return {
    /** `text`: the event as JSON. */
    add: ({ origin, id }: RecordedEvent, text: string) => void insert.run(origin, id, text),
    /** As many as have `maxChars` together, one at least. */
    next(limit: number, maxChars: number): readonly RecordedEvent[] {
      const rows = oldest.all(limit);
      let chars = 0;
      const end = rows.findIndex(({ event }, at) => {
        chars += event.length;
        return at > 0 && chars > maxChars;
      });
      const taken = end === -1 ? rows : rows.slice(0, end);
      const events = taken.map(({ event }) => JSON.parse(event) as RecordedEvent);
      given = { events, first: taken[0]?.sequence ?? 0, last: taken.at(-1)?.sequence ?? 0 };
      return events;
    },
    oldestTakenAtMs: () => oldestOne.get(),
    /**
     * What `next` gave is all that waited from its first to its last: it is marked by these, and none is looked for by its name.
     * Nothing comes to wait between them, unless entries go elsewhere by then (`line`).
     */
    markDrained(events: readonly Pick<RecordedEvent, 'origin' | 'id'>[], nowMs: number): void {
      if (events === given?.events) drainedRange.run(nowMs, given.first, given.last);
      else for (const { origin, id } of events) drained.run(nowMs, origin, id);
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
