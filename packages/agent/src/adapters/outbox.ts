import { randomUUID } from 'node:crypto';
import { MAX_EVENT_BYTES, parseJson, ThinmanEvent } from '@thinman/protocol';
import type { Database } from 'better-sqlite3';
import { isTag, tagOf } from './cache-rows.ts';

export const OUTBOX_SCHEMA = `
  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL, tag BLOB NOT NULL
  ) STRICT;`;

type OutboxRow = { readonly seq: number; readonly id: string; readonly event: string; readonly tag: Buffer };

/** Characters that are read of a stored event: one as large as servers take, and its escapes. */
const MAX_EVENT_CHARS = 2 * MAX_EVENT_BYTES;

export type Outbox = ReturnType<typeof openOutbox>;

/** Events that no server has acknowledged yet, in the order in which they happened. */
export function openOutbox(db: Database, rowKey: Uint8Array) {
  const insert = db.prepare('INSERT INTO outbox (id, event, tag) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING');
  const first = db.prepare<[number], OutboxRow>('SELECT * FROM outbox ORDER BY seq LIMIT ?');
  const count = db.prepare<[], { n: number }>('SELECT count(*) AS n FROM outbox');
  const remove = db.prepare('DELETE FROM outbox WHERE id = ?');
  const removeRow = db.prepare('DELETE FROM outbox WHERE seq = ?');

  const append = (event: ThinmanEvent): void => {
    const text = JSON.stringify(event);
    insert.run(event.id, text, tagOf(rowKey, ['outbox', event.id, text]));
  };

  return {
    append,
    /** A row that cannot be read must not stop those behind it: it is taken out, and an event tells how many were lost. */
    pending(limit: number, nowMs: number): readonly ThinmanEvent[] {
      const rows = first.all(limit).map(row => ({ seq: row.seq, event: readRow(row, rowKey) }));
      const lost = rows.filter(row => row.event === undefined);
      if (lost.length > 0) {
        db.transaction(() => {
          for (const { seq } of lost) removeRow.run(seq);
          append({ id: randomUUID(), type: 'events.lost', at: nowMs, data: { lost: lost.length } });
        })();
      }
      return rows.flatMap(row => (row.event === undefined ? [] : [row.event]));
    },
    count: (): number => count.get()?.n ?? 0,
    remove(ids: readonly string[]): void {
      db.transaction(() => {
        for (const id of ids) remove.run(id);
      })();
    },
  };
}

function readRow(row: OutboxRow, rowKey: Uint8Array): ThinmanEvent | undefined {
  if (!isTag(row.tag, tagOf(rowKey, ['outbox', row.id, row.event]))) return undefined;
  const parsed = parseJson(ThinmanEvent, row.event, MAX_EVENT_CHARS);
  return parsed.ok ? parsed.value : undefined;
}

export type Salvaged = {
  readonly events: readonly ThinmanEvent[];
  /** All of it could be read, so these are all that there were. */
  readonly complete: boolean;
};

/** Rows behind a bad page are asked for one by one, so many at most. */
const MAX_SEEKS = 100_000;

/** What can still be read of a damaged file's outbox. Never throws because of what the file holds. */
export function salvageOutbox(db: Database, rowKey: Uint8Array): Salvaged {
  const events = new Map<number, ThinmanEvent>();
  let unreadable = false;
  const take = (row: OutboxRow) => {
    const event = readRow(row, rowKey);
    if (event === undefined) unreadable = true;
    else events.set(row.seq, event);
    return row.seq;
  };
  const scan = (sql: string): { readonly complete: boolean; readonly last: number | undefined } => {
    let last: number | undefined;
    try {
      for (const row of db.prepare<[], OutboxRow>(sql).iterate()) last = take(row);
      return { complete: true, last };
    } catch {
      return { complete: false, last };
    }
  };

  const forward = scan('SELECT * FROM outbox ORDER BY seq');
  if (!forward.complete) {
    // From the other end, then between: a bad page hides its own rows, not those of the others.
    const backward = scan('SELECT * FROM outbox ORDER BY seq DESC');
    const from = (forward.last ?? 0) + 1;
    const to = Math.min((backward.last ?? highestSeq(db)) - 1, from + MAX_SEEKS);
    for (let seq = from; seq <= to; seq++) {
      const row = seek(db, seq);
      if (row !== undefined) take(row);
    }
  }
  const inOrder = [...events].sort(([a], [b]) => a - b).map(([, event]) => event);
  return { events: inOrder, complete: forward.complete && !unreadable };
}

function seek(db: Database, seq: number): OutboxRow | undefined {
  try {
    return db.prepare<[number], OutboxRow>('SELECT * FROM outbox WHERE seq = ?').get(seq);
  } catch {
    return undefined;
  }
}

function highestSeq(db: Database): number {
  try {
    const row = db.prepare<[], { seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").get();
    return row?.seq ?? 0;
  } catch {
    return 0;
  }
}
