import { compareVersions } from '@thinman/protocol';
import type { Feed, ReplicaPosition, SiteRow } from '../ports.ts';
import type { RecordDialect } from './dialects/dialect.ts';
import { isAncestor } from './lineage.ts';
import type { RecordDb } from './schema.ts';
import { requireSite } from './site.ts';
import { FeedObject } from './stored-object.ts';

/**
 * What a replica at `position` lacks. One snapshot, the site row first, no pages. Measured on MySQL
 * and MariaDB: without a snapshot and with the site row read last, or in pages by generation, objects are lost.
 */
export function readFeed(dialect: RecordDialect, position: ReplicaPosition | undefined): Promise<Feed> {
  return dialect.snapshot(async (db): Promise<Feed> => {
    const site = await requireSite(db);
    const standing = position === undefined ? 'none' : await compare(db, site, position);
    switch (standing) {
      case 'current':
      case 'forked':
        return { kind: standing, site };
      case 'behind':
        return { kind: 'incremental', site, objects: await objectsSince(db, position?.version.generation ?? 0) };
      case 'none':
        return { kind: 'full', site, objects: await objectsSince(db, 0) };
      case 'given_up':
        return { kind: 'full', site, objects: await objectsSince(db, 0), drops: true };
    }
  }, 'feed');
}

/** `none`, `given_up`: what the replica has counts for nothing here, and it must take everything. */
async function compare(
  db: RecordDb,
  site: SiteRow,
  position: ReplicaPosition,
): Promise<'current' | 'behind' | 'forked' | 'none' | 'given_up'> {
  const { epoch, generation } = position.version;
  const isSameVersion = compareVersions(site.version, position.version) === 0;
  if (site.siteId === position.siteId && isSameVersion && site.commitId === position.commitId) return 'current';
  const holds = await isAncestor(db, site, position);
  // An epoch is raised by an administrator who has accepted this state of the database: replicas take it whole.
  if (site.siteId === position.siteId && site.version.epoch > epoch) return holds ? 'none' : 'given_up';
  if (!holds || isSameVersion) return 'forked';
  return generation < site.compactedGeneration ? 'none' : 'behind';
}

async function objectsSince(db: RecordDb, generation: number) {
  // All of them are read as they lie, and not by way of an index.
  const rows = await db
    .selectFrom('objects')
    .selectAll()
    .$if(generation > 0, objects => objects.where('generation', '>', generation))
    .execute();
  return rows.map(row => new FeedObject(row));
}
