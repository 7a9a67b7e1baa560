import { canonicalJson, compareVersions } from '@thinman/protocol';
import type Database from 'better-sqlite3';
import type { AppliedChange, Clock, Feed, Replica, ReplicaPosition, SiteRow } from '../ports.ts';
import { TOMBSTONE_AGE_MS } from '../record/compaction.ts';
import { moveAside, openOrRebuild, type SetAside } from '../record/dialects/set-aside.ts';
import { troubleOf } from '../record/dialects/sqlite-file.ts';
import { toRow } from '../record/stored-object.ts';
import { prepareQueries } from './queries.ts';
import { addIndexes, createTables, REPLICA_APPLICATION_ID, REPLICA_FORMAT } from './tables.ts';

export type ReplicaOptions = {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** The site that this server belongs to: a replica of another one is set aside, and none is taken. */
  readonly siteId?: string;
};

export type OpenReplica = Replica & {
  /** What was found unfit and renamed, when it was opened or later; undefined: nothing. */
  setAside(): SetAside | undefined;
};

type Store = ReturnType<typeof openStore>;

/**
 * Opens the server's own copy of the objects. A file that is missing, damaged, or of another site is begun anew (position
 * `undefined`): the next sync fills it. Damage that shows later is kept until a full feed is there to replace it, since
 * the other pages still serve logins meanwhile.
 */
export function openReplica(path: string, { clock, siteId }: ReplicaOptions): OpenReplica {
  let store = openStore(path, siteId, clock);
  let damaged = false;
  const listeners = new Set<(change: AppliedChange) => void>();

  function guarded<T>(use: (store: Store) => T): T {
    try {
      return use(store);
    } catch (error) {
      damaged ||= troubleOf(error) === 'damaged';
      throw error;
    }
  }

  function rebuild(): void {
    store.handle.close();
    const setAside = moveAside(path, 'damaged', clock.nowMs());
    store = { ...openStore(path, siteId, clock), setAside };
    damaged = false;
  }

  function apply(feed: Feed): AppliedChange | undefined {
    if (siteId !== undefined && feed.site.siteId !== siteId) return undefined;
    if (damaged && feed.kind === 'full') {
      const held = store.standing()?.position;
      if (held !== undefined && !isContinuation(feed.site, held)) return undefined;
      rebuild();
    }
    const change = guarded(({ apply }) => apply(feed));
    if (change !== undefined) for (const listener of listeners) listener(change);
    return change;
  }

  return {
    position: () => (damaged ? undefined : store.standing()?.position),
    site: () => store.standing()?.site,
    apply,
    onApplied(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get: (kind, name) => guarded(({ queries }) => queries.get(kind, name)),
    find: (kind, name) => guarded(({ queries }) => queries.find(kind, name)),
    findByUid: (kind, uid) => guarded(({ queries }) => queries.findByUid(kind, uid)),
    findDeviceByKey: keyHash => guarded(({ queries }) => queries.findDeviceByKey(keyHash)),
    list: (kind, page) => guarded(({ queries }) => queries.list(kind, page)),
    count: kind => guarded(({ queries }) => queries.count(kind)),
    nextByUid: (kind, uid) => guarded(({ queries }) => queries.nextByUid(kind, uid)),
    touchedSince: generation => guarded(({ queries }) => queries.touchedSince(generation)),
    setAside: () => store.setAside,
    close: () => void store.handle.close(),
  };
}

type Standing = { readonly position: ReplicaPosition; readonly site: SiteRow };

function openStore(path: string, siteId: string | undefined, clock: ReplicaOptions['clock']) {
  const { handle, setAside } = openOrRebuild(path, {
    applicationId: REPLICA_APPLICATION_ID,
    create: createTables,
    check: found => unfit(found, siteId),
    nowMs: clock.nowMs(),
  });
  addIndexes(handle);
  let standing = readStanding(handle);
  const queries = prepareQueries(handle);
  const write = prepareWrites(handle, clock);

  return {
    handle,
    setAside,
    queries,
    standing: () => standing,
    apply(feed: Feed): AppliedChange | undefined {
      const { kind, site } = feed;
      if (kind === 'forked') return undefined;
      if (kind === 'current') {
        // The schema is migrated, and tombstones go, without a commit. Else nothing is written: this comes twice a second.
        const isSameCommit = standing !== undefined && site.commitId === standing.position.commitId;
        if (isSameCommit && canonicalJson(site) !== canonicalJson(standing?.site)) standing = write.site(site);
        return undefined;
      }
      if (!isForward(kind, site, standing?.position)) return undefined;
      standing = write.feed(kind === 'full', site, feed.objects);
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

/** As new as what the damaged replica held: to go back would be worse than to go on with what can still be read. */
function isContinuation(site: SiteRow, held: ReplicaPosition): boolean {
  const order = compareVersions(site.version, held.version);
  return order > 0 || (order === 0 && site.commitId === held.commitId);
}

function prepareWrites(handle: Database.Database, clock: ReplicaOptions['clock']) {
  const clear = handle.prepare('DELETE FROM objects');
  const put = handle.prepare(
    `INSERT INTO objects (kind, name, uid, generation, body, system, deleted)
     VALUES (@kind, @name, @uid, @generation, @body, @system, @deleted)
     ON CONFLICT (kind, name) DO UPDATE SET uid = excluded.uid, generation = excluded.generation,
       body = excluded.body, system = excluded.system, deleted = excluded.deleted`,
  );
  const putSite = handle.prepare(
    'INSERT OR REPLACE INTO site (id, siteId, epoch, generation, commitId, site) VALUES (1, ?, ?, ?, ?, ?)',
  );
  // What the source of record has removed by now: the same rule as there (`compaction.ts`).
  const forget = handle.prepare(
    `DELETE FROM objects WHERE deleted = 1 AND generation <= ?
       AND (kind <> 'Device' OR coalesce(json_extract(system, '$.certificateExpiresAt'), 0) <= ?)`,
  );
  let forgotten: number | undefined;
  const writeSite = (site: SiteRow, isFull = false): Standing => {
    const { siteId, version, commitId, compactedGeneration } = site;
    if (isFull || compactedGeneration !== forgotten) forget.run(compactedGeneration, clock.nowMs() - TOMBSTONE_AGE_MS);
    forgotten = compactedGeneration;
    putSite.run(siteId, version.epoch, version.generation, commitId, canonicalJson(site));
    return { position: { siteId, version, commitId }, site };
  };
  return {
    site: handle.transaction((site: SiteRow) => writeSite(site)),
    feed: handle.transaction(
      (full: boolean, site: SiteRow, objects: Extract<Feed, { objects: unknown }>['objects']) => {
        if (full) clear.run();
        for (const object of objects) put.run(toRow(object));
        return writeSite(site, full);
      },
    ),
  };
}

function readStanding(handle: Database.Database): Standing | undefined {
  const row = handle.prepare<unknown[], { site: string }>('SELECT site FROM site').get();
  if (row === undefined) return undefined;
  const site = JSON.parse(row.site) as SiteRow;
  return { position: { siteId: site.siteId, version: site.version, commitId: site.commitId }, site };
}

/** One bad page lets all others be read: only a full check finds it before a login does. */
function unfit(handle: Database.Database, siteId: string | undefined): 'other_site' | 'damaged' | undefined {
  if (handle.pragma('user_version', { simple: true }) !== REPLICA_FORMAT) return 'damaged';
  if (handle.pragma('quick_check(1)', { simple: true }) !== 'ok') return 'damaged';
  const held = readStanding(handle);
  return held !== undefined && siteId !== undefined && held.position.siteId !== siteId ? 'other_site' : undefined;
}
