import { canonicalJson, compareVersions } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import type { AppliedChange, Clock, Feed, ReplicaPosition, SiteRow, StoredObject } from '../ports.ts';
import { TOMBSTONE_AGE_MS } from '../record/compaction.ts';
import { openOrRebuild, type SetAside } from '../record/dialects/set-aside.ts';
import { type ObjectRow, toRow } from '../record/stored-object.ts';
import { createDigest, type Digest } from './digest.ts';
import { createFiller } from './filler.ts';
import { ofKind } from './of-kind.ts';
import { prepareQueries, type Queries } from './queries.ts';
import {
  addIndexes,
  createTables,
  dropIndexes,
  makeIndexes,
  REPLICA_APPLICATION_ID,
  REPLICA_FORMAT,
} from './tables.ts';

export type StoreOptions = {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** The site that this server belongs to: a replica of another one is set aside. */
  readonly siteId: string | undefined;
  /** Of a file that this process has just written: it is not looked through again. */
  readonly known?: Digest | undefined;
};

/** One file of a replica, for as long as it is whole. */
export type Store = {
  readonly handle: Database.Database;
  /** What lay there, was unfit, and was renamed. */
  readonly setAside: SetAside | undefined;
  readonly queries: Queries;
  standing(): Standing | undefined;
  /** One transaction. undefined: nothing of it was news. */
  apply(feed: Feed): AppliedChange | undefined;
  /** Of its objects, as they are committed. */
  digest(): Digest;
};

export type Standing = { readonly position: ReplicaPosition; readonly site: SiteRow };

/** Opens the file after a look at all of it, or begins it anew. */
export function openStore(path: string, { clock, siteId, known }: StoreOptions): Store {
  let digest = known ?? createDigest();
  const { handle, setAside } = openOrRebuild(path, {
    applicationId: REPLICA_APPLICATION_ID,
    create: createTables,
    check(found) {
      if (known !== undefined) return undefined;
      const looked = lookThrough(found, siteId);
      if (typeof looked === 'string') return looked;
      digest = looked;
      return undefined;
    },
    nowMs: clock.nowMs(),
    isCopy: true,
  });
  addIndexes(handle);
  let standing = readStanding(handle);
  const queries = prepareQueries(handle);
  const { write, committed } = prepareWrites(handle, clock, digest);

  return {
    handle,
    setAside,
    queries,
    standing: () => standing,
    digest: committed,
    apply(feed: Feed): AppliedChange | undefined {
      const { kind, site } = feed;
      if (kind === 'forked') return undefined;
      if (kind === 'current') {
        // The schema is migrated, and tombstones go, without a commit. Else nothing is written: this comes twice a second.
        const isSameCommit = standing !== undefined && site.commitId === standing.position.commitId;
        if (isSameCommit && canonicalJson(site) !== canonicalJson(standing?.site)) standing = write(false, site, []);
        return undefined;
      }
      if (!isForward(kind, site, standing?.position)) return undefined;
      standing = write(kind === 'full', site, feed.objects);
      return { version: site.version, full: kind === 'full', objects: feed.objects };
    },
  };
}

/** A replica never goes back, nor does it take a part of a site of which it lacks the rest. */
function isForward(kind: 'incremental' | 'full', site: SiteRow, held: ReplicaPosition | undefined): boolean {
  if (held === undefined) return kind === 'full';
  if (site.siteId !== held.siteId) return false;
  if (kind === 'incremental' && site.version.epoch !== held.version.epoch) return false;
  return compareVersions(site.version, held.version) > 0;
}

/** A row, and where it lies. */
type PlacedRow = ObjectRow & { readonly rowid: number };

function prepareWrites(handle: Database.Database, clock: StoreOptions['clock'], start: Digest) {
  const clear = handle.prepare('DELETE FROM objects');
  const select = (where: string) => handle.prepare<unknown[], PlacedRow>(`SELECT rowid, * FROM objects WHERE ${where}`);
  const live = ofKind(kind => select(`kind = ${kind} AND name = ? AND deleted = 0`));
  const gone = ofKind(kind => select(`kind = ${kind} AND name = ? AND deleted = 1`));
  const insert = handle.prepare(
    `INSERT INTO objects (kind, name, uid, generation, body, system, deleted)
     VALUES (@kind, @name, @uid, @generation, @body, @system, @deleted)`,
  );
  const update = handle.prepare(
    `UPDATE objects SET uid = @uid, generation = @generation, body = @body, system = @system, deleted = @deleted
     WHERE rowid = @rowid`,
  );
  const putSite = handle.prepare(
    'INSERT OR REPLACE INTO site (id, siteId, epoch, generation, commitId, site, digest) VALUES (1, ?, ?, ?, ?, ?, ?)',
  );
  // What the source of record has removed by now: the same rule as there (`compaction.ts`).
  const outdated = select(
    // The plus: among those that are deleted, and not among all that are as old.
    `deleted = 1 AND +generation <= ?
       AND (kind <> 'Device' OR coalesce(json_extract(system, '$.certificateExpiresAt'), 0) <= ?)`,
  );
  const forget = handle.prepare('DELETE FROM objects WHERE rowid = ?');
  const twin = handle.prepare(
    `SELECT 1 FROM objects gone WHERE deleted = 1 AND EXISTS
       (SELECT 1 FROM objects live WHERE live.kind = gone.kind AND live.name = gone.name AND live.deleted = 0) LIMIT 1`,
  );
  /** Of the objects, as they are committed. */
  let digest = start;
  let forgotten: number | undefined;

  /** Everything anew. Within the transaction: whoever reads meanwhile, or after a failure, finds what was there. */
  function fill(objects: readonly StoredObject[], next: Digest): void {
    dropIndexes(handle);
    clear.run();
    const filler = createFiller(handle);
    for (const object of objects) {
      const row = toRow(object);
      next.toggle(row);
      filler.add(row);
    }
    filler.end();
    makeIndexes(handle);
    // Of either alone its index says so.
    if (twin.get() !== undefined) throw new Error('a feed has a name twice, alive and deleted');
  }

  function put(row: ObjectRow, next: Digest): void {
    const before = live(row.kind).get(row.name) ?? gone(row.kind).get(row.name);
    next.toggle(row);
    if (before === undefined) {
      insert.run(row);
      return;
    }
    next.toggle(before);
    update.run({ ...row, rowid: before.rowid });
  }

  const write = handle.transaction((full: boolean, site: SiteRow, objects: readonly StoredObject[]) => {
    const { siteId, version, commitId, compactedGeneration } = site;
    const next = full ? createDigest() : digest.copy();
    if (full) fill(objects, next);
    else for (const object of objects) put(toRow(object), next);
    if (full || compactedGeneration !== forgotten) {
      for (const row of outdated.all(compactedGeneration, clock.nowMs() - TOMBSTONE_AGE_MS)) {
        forget.run(row.rowid);
        next.toggle(row);
      }
    }
    const text = canonicalJson(site);
    putSite.run(siteId, version.epoch, version.generation, commitId, text, next.sealedWith(text));
    return next;
  });

  return {
    committed: () => digest,
    write(full: boolean, site: SiteRow, objects: readonly StoredObject[]): Standing {
      digest = write(full, site, objects);
      forgotten = site.compactedGeneration;
      const { siteId, version, commitId } = site;
      return { position: { siteId, version, commitId }, site };
    },
  };
}

function readStanding(handle: Database.Database): Standing | undefined {
  const row = handle.prepare<unknown[], { site: string }>('SELECT site FROM site').get();
  if (row === undefined) return undefined;
  const site = JSON.parse(row.site) as SiteRow;
  return { position: { siteId: site.siteId, version: site.version, commitId: site.commitId }, site };
}

/** Looks at all of an existing file, for one bad page lets all others be read: why it is unfit, or the digest of its objects. */
function lookThrough(handle: Database.Database, siteId: string | undefined): 'other_site' | 'damaged' | Digest {
  if (handle.pragma('user_version', { simple: true }) !== REPLICA_FORMAT) return 'damaged';
  if (handle.pragma('quick_check(1)', { simple: true }) !== 'ok') return 'damaged';
  const digest = createDigest();
  for (const row of handle.prepare<unknown[], ObjectRow>('SELECT * FROM objects').iterate()) digest.toggle(row);
  const held = handle.prepare<unknown[], { siteId: string; site: string; digest: string }>('SELECT * FROM site').get();
  if (held === undefined) return digest;
  if (held.digest !== digest.sealedWith(held.site)) return 'damaged';
  return siteId !== undefined && held.siteId !== siteId ? 'other_site' : digest;
}
