import type { Version } from '@thinman/protocol';
import type { ReplicaPosition, SiteRow } from '../ports.ts';
import { isCommitted } from './change-set.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import type { RecordDb } from './schema.ts';
import { requireSite } from './site.ts';
import type { ObjectRow } from './stored-object.ts';
import { walk } from './walk.ts';

/** Commits of one epoch without a gap between them. */
export type Unbroken = { readonly epoch: number; readonly from: number; to: number };

/** What one snapshot of the source of record says of itself. */
export type RecordAudit = {
  readonly site: SiteRow;
  /** In the order of epoch and generation. */
  readonly commits: readonly Unbroken[];
  /** The commit that the site row names is there. */
  readonly hasOwnCommit: boolean;
  /** The commit of the position that was asked about. */
  readonly hasCommitOf: boolean;
};

/** Reads all objects and commits in one snapshot, the site row first. `take` gets each object's row. */
export function auditRecord(
  dialect: RecordDialect,
  position: ReplicaPosition | undefined,
  take: (row: ObjectRow, site: SiteRow) => void,
): Promise<RecordAudit> {
  return dialect.snapshot(async db => {
    const site = await requireSite(db);
    for await (const page of walk(db, 'objects')) for (const row of page) take(row as ObjectRow, site);
    return {
      site,
      commits: await unbrokenCommits(db),
      hasOwnCommit: await isCommitted(db, site.version, site.commitId),
      hasCommitOf: position !== undefined && (await isCommitted(db, position.version, position.commitId)),
    };
  });
}

/** What the database holds, at a glance. */
export function glanceAt(dialect: RecordDialect): Promise<{ readonly site: SiteRow; readonly quarantined: number }> {
  return dialect.snapshot(async db => {
    const site = await requireSite(db);
    const { count } = await db
      .selectFrom('event_quarantine')
      .select(({ fn }) => fn.countAll().as('count'))
      .executeTakeFirstOrThrow();
    return { site, quarantined: Number(count) };
  });
}

async function unbrokenCommits(db: RecordDb): Promise<Unbroken[]> {
  const found: Unbroken[] = [];
  for await (const page of walk(db, 'commits')) {
    for (const { epoch, generation } of page as readonly Version[]) {
      const last = found.at(-1);
      if (last?.epoch === epoch && last.to === generation - 1) last.to = generation;
      else found.push({ epoch, from: generation, to: generation });
    }
  }
  return found;
}
