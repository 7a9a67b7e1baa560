import { canonicalJson, MAX_EVENT_BYTES, type RecordedEvent } from '@thinman/protocol';
import type { Clock, EventQuery, StoredEvent } from '../ports.ts';
import { inBatches } from './batches.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import { keepReports } from './reports.ts';
import type { RecordDb } from './schema.ts';

/**
 * Each event exactly once, all in one transaction. A row that the database refuses is put aside in the quarantine, alone:
 * it must neither be lost nor hold back those behind it.
 */
export function storeEvents(
  dialect: RecordDialect,
  clock: Pick<Clock, 'nowMs'>,
  events: readonly RecordedEvent[],
): Promise<{ readonly quarantined: number }> {
  return dialect.write(async db => {
    let quarantined = 0;
    for (const some of inBatches(events, () => MAX_EVENT_BYTES)) {
      if ((await refusal(dialect, () => insert(dialect, db, some))) === undefined) continue;
      for (const event of some) {
        const reason = await refusal(dialect, () => insert(dialect, db, [event]));
        if (reason === undefined) continue;
        await quarantine(dialect, db, event, reason, clock.nowMs());
        quarantined++;
      }
    }
    // As with the events: what the database refuses holds back nothing else.
    const nowMs = clock.nowMs();
    if ((await refusal(dialect, () => keepReports(db, events, nowMs))) !== undefined) {
      for (const event of events) await refusal(dialect, () => keepReports(db, [event], nowMs));
    }
    return { keep: true, value: { quarantined } };
  });
}

/** A refused statement leaves nothing behind, and its transaction goes on. */
async function refusal(dialect: RecordDialect, insertRows: () => Promise<void>): Promise<string | undefined> {
  try {
    await insertRows();
    return undefined;
  } catch (error) {
    const code = dialect.refusalCode(error);
    if (code === undefined) throw error;
    return code;
  }
}

async function insert(dialect: RecordDialect, db: RecordDb, events: readonly RecordedEvent[]): Promise<void> {
  const rows = events.map(({ origin, id, type, at, user, data, takenBy, takenAt }) => {
    return { origin, id, type, at, user: user ?? null, data: canonicalJson(data), takenBy, takenAt };
  });
  await dialect.insertNew(db, 'events', ['origin', 'id'], rows);
}

async function quarantine(
  dialect: RecordDialect,
  db: RecordDb,
  event: RecordedEvent,
  reason: string,
  at: number,
): Promise<void> {
  const row = { origin: String(event.origin), eventId: String(event.id), at, reason, event: canonicalJson(event) };
  await dialect.insertNew(db, 'event_quarantine', ['origin', 'eventId'], [row]);
}

/** Newest arrivals first; `before` is the `sequence` (decimal) of the last one of the page before. */
export function readEvents(dialect: RecordDialect, query: EventQuery): Promise<readonly StoredEvent[]> {
  return dialect.snapshot(async db => {
    const rows = await db
      .selectFrom('events')
      .selectAll()
      .$if(query.before !== undefined, events => events.where('sequence', '<', Number(query.before)))
      .$if(query.type !== undefined, events => events.where('type', '=', query.type ?? ''))
      .$if(query.users !== undefined, events => events.where('user', 'in', query.users ?? []))
      .orderBy('sequence', 'desc')
      .limit(query.limit)
      .execute();
    return rows.map(({ user, data, ...row }) => ({
      ...row,
      ...(user === null ? {} : { user }),
      data: JSON.parse(data) as Record<string, unknown>,
    }));
  });
}

/** By the index of (origin, id): ids of devices rise with their time, so one row of each is looked at. */
export function lastHeardFrom(
  dialect: RecordDialect,
  origins: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  return dialect.snapshot(async db => {
    const heard = new Map<string, number>();
    for (const origin of origins) {
      const newest = db
        .selectFrom('events')
        .select('takenAt')
        .where('origin', '=', origin)
        .orderBy('id', 'desc')
        .limit(1);
      const row = await newest.executeTakeFirst();
      if (row !== undefined) heard.set(origin, row.takenAt);
    }
    return heard;
  });
}
