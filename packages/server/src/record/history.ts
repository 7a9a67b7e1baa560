import type { ObjectKind } from '@thinman/protocol';
import type { HistoryEntry } from '../ports.ts';
import type { RecordDialect } from './dialects/dialect.ts';

/** What an object was, newest first. Goes on over a deletion and a new object of the same name. */
export function readHistory(
  dialect: RecordDialect,
  kind: ObjectKind,
  name: string,
  limit: number,
): Promise<readonly HistoryEntry[]> {
  return dialect.snapshot(async db => {
    const rows = await db
      .selectFrom('history')
      .select(['epoch', 'generation', 'at', 'actor', 'body'])
      .where('kind', '=', kind)
      .where('name', '=', name)
      .orderBy('epoch', 'desc')
      .orderBy('generation', 'desc')
      .limit(limit)
      .execute();
    return rows.map(({ epoch, generation, at, actor, body }) => ({
      version: { epoch, generation },
      atMs: at,
      actor,
      body: body === null ? null : (JSON.parse(body) as Record<string, unknown>),
    }));
  });
}
