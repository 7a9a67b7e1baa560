import { randomUUID } from 'node:crypto';
import { canonicalJson } from '@thinman/protocol';
import type { Clock, CommitOutcome, CommitTransaction, SourceOfRecord } from '../ports.ts';
import { createChangeSet, isCommitted, writeObjects } from './change-set.ts';
import type { Ending, RecordDialect } from './dialects/dialect.ts';
import { requireReadable, SITE_ROW } from './site.ts';

/**
 * One administrative transaction. Its first statement raises the generation and so locks the site row until the commit:
 * generations are contiguous and in commit order, for every reader of a snapshot, on a Slave too.
 */
export function runCommit<T>(
  dialect: RecordDialect,
  clock: Pick<Clock, 'nowMs'>,
  by: Parameters<SourceOfRecord['commit']>[0],
  work: (transaction: CommitTransaction) => Promise<{ readonly write: boolean; readonly result: T }>,
): Promise<CommitOutcome<T>> {
  return dialect.write(async (db): Promise<Ending<CommitOutcome<T>>> => {
    const commitId = randomUUID();
    const raised = await db
      .updateTable('site')
      .set(row => ({ generation: row('generation', '+', 1), commitId }))
      .where('id', '=', SITE_ROW)
      .where('epoch', '=', by.epoch)
      .where('primaryInstance', '=', by.instance)
      .executeTakeFirstOrThrow();
    if (raised.numUpdatedRows === 0n) return { keep: false, value: { kind: 'stepped_down' } };

    const { schema, ...version } = await db
      .selectFrom('site')
      .select(['epoch', 'generation', 'schema'])
      .where('id', '=', SITE_ROW)
      .executeTakeFirstOrThrow();
    requireReadable(schema);

    const changes = createChangeSet(db, version);
    const { write, result } = await work({
      ...changes.transaction,
      async siteCas() {
        changes.mustBeOpen();
        const row = await db
          .selectFrom('site')
          .select(['caCertificates', 'wrappedCaKey'])
          .where('id', '=', SITE_ROW)
          .executeTakeFirstOrThrow();
        return { ...row, caCertificates: JSON.parse(row.caCertificates) as string[] };
      },
      async setSiteCas({ caCertificates, wrappedCaKey }) {
        changes.mustBeOpen();
        await db
          .updateTable('site')
          .set({ caCertificates: canonicalJson(caCertificates), wrappedCaKey })
          .where('id', '=', SITE_ROW)
          .execute();
      },
      async setStatement(statement) {
        changes.mustBeOpen();
        await db
          .updateTable('site')
          .set({ statement: canonicalJson(statement) })
          .where('id', '=', SITE_ROW)
          .execute();
      },
    });
    const objects = changes.end();
    if (!write) return { keep: false, value: { kind: 'abandoned', result } };

    await writeObjects(db, objects, { version, commitId, actor: by.actor, atMs: clock.nowMs() });
    return {
      keep: true,
      value: { kind: 'committed', version, commitId, result },
      landed: now => isCommitted(now, version, commitId),
    };
  });
}
