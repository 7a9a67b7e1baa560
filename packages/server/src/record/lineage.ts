import { compareVersions, type EpochSpan, MAX_EPOCHS_TOLD } from '@thinman/protocol';
import type { ReplicaPosition, SiteRow } from '../ports.ts';
import { isCommitted } from './change-set.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import type { RecordDb } from './schema.ts';
import { requireSite } from './site.ts';

/** Whether what a replica rests on is a part of this line of commits. In the caller's snapshot, or under its lock. */
export async function isAncestor(
  db: RecordDb,
  site: Pick<SiteRow, 'siteId' | 'version'>,
  { siteId, version, commitId }: ReplicaPosition,
): Promise<boolean> {
  if (site.siteId !== siteId || compareVersions(site.version, version) < 0) return false;
  return isCommitted(db, version, commitId);
}

/** A node that lags looks like a database that was restored: only who holds the site row knows. */
export async function lacksCommit(
  dialect: RecordDialect,
  position: ReplicaPosition,
  { readOnly }: { readonly readOnly: boolean },
): Promise<boolean> {
  const look = async (db: RecordDb) => !(await isAncestor(db, await requireSite(db), position));
  if (!(await dialect.snapshot(look))) return false;
  if (readOnly) return true;
  return dialect.write(async db => {
    await dialect.lockSite(db);
    return { keep: false, value: await look(db) };
  });
}

/** Under the lock of the site row: whether this line of commits lacks one of those that a commit rests on. */
export async function isForked(
  db: RecordDb,
  site: Pick<SiteRow, 'siteId' | 'version'>,
  restsOn: readonly ReplicaPosition[],
): Promise<boolean> {
  for (const position of restsOn) {
    if (position.version.epoch === site.version.epoch && !(await isAncestor(db, site, position))) return true;
  }
  return false;
}

/** Where a line of commits stood when an epoch was over: what was seen of that epoch after it is no part of this line. */
export function lastCommitOf(dialect: RecordDialect, epoch: number) {
  return dialect.snapshot(async db => {
    const last = await db
      .selectFrom('commits')
      .select(['epoch', 'generation', 'commitId'])
      .where('epoch', '<=', epoch)
      .orderBy('epoch', 'desc')
      .orderBy('generation', 'desc')
      .limit(1)
      .executeTakeFirst();
    return last && { version: { epoch: last.epoch, generation: last.generation }, commitId: last.commitId };
  });
}

/** The newest epochs of this line of commits, newest first: by the primary key, two rows of each. */
export function lineOf(dialect: RecordDialect): Promise<readonly EpochSpan[]> {
  return dialect.snapshot(async db => {
    const line: EpochSpan[] = [];
    while (line.length < MAX_EPOCHS_TOLD) {
      const commits = db.selectFrom('commits').select(['epoch', 'generation', 'commitId']).limit(1);
      const last = await commits
        .where('epoch', '<', line.at(-1)?.epoch ?? Number.MAX_SAFE_INTEGER)
        .orderBy('epoch', 'desc')
        .orderBy('generation', 'desc')
        .executeTakeFirst();
      if (last === undefined) break;
      const { epoch, generation } = last;
      const first = await commits.where('epoch', '=', epoch).orderBy('generation').executeTakeFirstOrThrow();
      line.push({ epoch, begunBy: first.commitId, last: generation });
    }
    return line;
  });
}
