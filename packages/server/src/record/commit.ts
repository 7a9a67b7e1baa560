import { randomUUID } from 'node:crypto';
import { canonicalJson, type SignedStatement, type Version } from '@thinman/protocol';
import type { Clock, CommitOutcome, CommitTransaction, Committer, EpochRaise } from '../ports.ts';
import { type CommitMark, createChangeSet, isCommitted, writeObjects } from './change-set.ts';
import type { Ending, RecordDialect } from './dialects/dialect.ts';
import { hasFileIn, listFilesIn, putFileIn, removeFilesIn } from './files.ts';
import { isForked } from './lineage.ts';
import type { RecordDb } from './schema.ts';
import { requireSite, requireWritable, SITE_ROW } from './site.ts';

/** What a commit does to its objects, and what it gives. */
type Work<T> = (transaction: CommitTransaction) => Promise<{ readonly write: boolean; readonly result: T }>;
type Clockwork = Pick<Clock, 'nowMs'>;

/**
 * One administrative transaction. Its first statement raises the generation and so locks the site row until the commit:
 * generations are contiguous and in commit order, for every reader of a snapshot, on a Slave too.
 */
export function runCommit<T>(
  dialect: RecordDialect,
  clock: Clockwork,
  by: Committer,
  work: Work<T>,
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
    if (raised.numUpdatedRows === 0n) {
      const { version } = await requireSite(db);
      return { keep: false, value: { kind: version.epoch < by.epoch ? 'forked' : 'stepped_down' } };
    }
    const { schema, ...site } = await siteNow(db);
    requireWritable(schema);
    if (await isForked(db, site, by.restsOn ?? [])) return { keep: false, value: { kind: 'forked' } };

    const { version } = site;
    const made = await commitObjects(db, { version, commitId, actor: by.actor, atMs: clock.nowMs() }, work);
    if (!made.write) return { keep: false, value: { kind: 'abandoned', result: made.result } };
    return {
      keep: true,
      value: { kind: 'committed', version, commitId, result: made.result },
      landed: now => isCommitted(now, version, commitId),
    };
  });
}

/** The one commit that asks for no role: who promotes has none yet. Done to the very state that an administrator has seen. */
export function runEpochRaise<T>(
  dialect: RecordDialect,
  clock: Clockwork,
  { from, epoch, primaryInstance, actor }: EpochRaise,
  work: (transaction: CommitTransaction) => Promise<T>,
): Promise<{ readonly version: Version; readonly commitId: string; readonly result: T } | undefined> {
  return dialect.write(async db => {
    const commitId = randomUUID();
    const raised = await db
      .updateTable('site')
      .set(row => ({ epoch, primaryInstance, commitId, generation: row('generation', '+', 1) }))
      .where('id', '=', SITE_ROW)
      .where('epoch', '=', from.version.epoch)
      .where('generation', '=', from.version.generation)
      .where('commitId', '=', from.commitId)
      .executeTakeFirstOrThrow();
    if (raised.numUpdatedRows === 0n) return { keep: false, value: undefined };
    const { schema, version } = await siteNow(db);
    requireWritable(schema);
    const mark = { version, commitId, actor, atMs: clock.nowMs() };
    const { result } = await commitObjects(db, mark, async transaction => ({
      write: true,
      result: await work(transaction),
    }));
    return {
      keep: true,
      value: { version, commitId, result },
      landed: now => isCommitted(now, version, commitId),
    };
  });
}

async function siteNow(db: RecordDb) {
  const { epoch, generation, ...row } = await db
    .selectFrom('site')
    .select(['siteId', 'epoch', 'generation', 'schema'])
    .where('id', '=', SITE_ROW)
    .executeTakeFirstOrThrow();
  return { ...row, version: { epoch, generation } };
}

/** The site row is locked, and has the version of this commit. */
async function commitObjects<T>(db: RecordDb, mark: CommitMark, work: Work<T>): ReturnType<Work<T>> {
  const changes = createChangeSet(db, mark.version);
  const setInSite = async (columns: Partial<Record<'statement' | 'caCertificates' | 'wrappedCaKey', string>>) => {
    changes.mustBeOpen();
    await db.updateTable('site').set(columns).where('id', '=', SITE_ROW).execute();
  };
  const made = await work({
    ...changes.transaction,
    commitId: mark.commitId,
    async statement() {
      changes.mustBeOpen();
      const { statement } = await db
        .selectFrom('site')
        .select('statement')
        .where('id', '=', SITE_ROW)
        .executeTakeFirstOrThrow();
      return JSON.parse(statement) as SignedStatement;
    },
    async siteCas() {
      changes.mustBeOpen();
      const row = await db
        .selectFrom('site')
        .select(['caCertificates', 'wrappedCaKey'])
        .where('id', '=', SITE_ROW)
        .executeTakeFirstOrThrow();
      return { ...row, caCertificates: JSON.parse(row.caCertificates) as string[] };
    },
    setSiteCas: ({ caCertificates, wrappedCaKey }) =>
      setInSite({ caCertificates: canonicalJson(caCertificates), wrappedCaKey }),
    putFile(bytes) {
      changes.mustBeOpen();
      return putFileIn(db, bytes);
    },
    hasFile(hash) {
      changes.mustBeOpen();
      return hasFileIn(db, hash);
    },
    files() {
      changes.mustBeOpen();
      return listFilesIn(db);
    },
    removeFiles(hashes) {
      changes.mustBeOpen();
      return removeFilesIn(db, hashes);
    },
    setStatement: statement => setInSite({ statement: canonicalJson(statement) }),
  });
  const objects = changes.end();
  if (made.write) await writeObjects(db, objects, mark);
  return made;
}
