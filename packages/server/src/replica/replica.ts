import { closeSync, fsyncSync, openSync, renameSync, statSync } from 'node:fs';
import { compareVersions } from '@thinman/protocol';
import type { AppliedChange, Clock, Feed, Replica, ReplicaPosition, SiteRow, StoredObject } from '../ports.ts';
import { moveAside, removeAside, removeDatabase, type SetAside } from '../record/dialects/set-aside.ts';
import { isBadSector, troubleOf } from '../record/dialects/sqlite-file.ts';
import type { Digest } from './digest.ts';
import { openStore, type Store } from './store.ts';

export type ReplicaOptions = {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** The site that this server belongs to: a replica of another one is set aside, and none is taken. */
  readonly siteId?: string;
  /** It turned out damaged while it was open, and is whole again. */
  readonly onRebuilt?: (setAside: SetAside) => void;
};

export type OpenReplica = Replica & {
  /** What was found unfit and renamed, when it was opened or later; undefined: nothing. */
  setAside(): SetAside | undefined;
};

/** Devices that are remembered by their key, and objects by their id, between two changes: every request asks for its own. About 1 kB each. */
const MAX_REMEMBERED = 20_000;

/** Below this an empty replica is filled in place: two files more to open take longer than that. */
const LARGE_FEED = 1_000;
/**
 * Of a file that nobody needs before it is whole. Room (in KiB) for 200,000 devices and for sorting their keys: a table that is larger is read
 * anew for each index. It is given back with the last of them.
 */
const UNLOGGED = ['synchronous = OFF', 'journal_mode = MEMORY', 'cache_size = -131072'] as const;

/** Copies that were set aside, for those who look into it. */
const KEPT_ASIDE = 3;

/**
 * Opens the server's own copy of the objects. A file that is missing, damaged, or of another site is begun anew (position
 * `undefined`): the next sync fills it. Damage that shows later is kept until a full feed has made a whole one beside it, since
 * the other pages still serve logins meanwhile.
 */
export function openReplica(path: string, options: ReplicaOptions): OpenReplica {
  const { clock, siteId, onRebuilt = () => {} } = options;
  const draft = `${path}.draft`;
  let store = openStore(path, { clock, siteId });
  if (store.setAside !== undefined) removeAside(path, KEPT_ASIDE);
  let written = stampOf(path);
  let damaged = false;
  const listeners = new Set<(change: AppliedChange) => void>();
  const devicesByKey = new Map<string, StoredObject | undefined>();
  const byUid = new Map<string, StoredObject | undefined>();

  function guarded<T>(use: (store: Store) => T): T {
    try {
      return use(store);
    } catch (error) {
      damaged ||= troubleOf(error) === 'damaged' || isBadSector(error);
      throw error;
    }
  }

  /** Somebody else has written to the file, or taken it away: what is open is not what is there. */
  const isOurs = () => stampOf(path) === written;

  function setAside(): SetAside {
    store.handle.close();
    const aside = moveAside(path, 'damaged', clock.nowMs());
    removeAside(path, KEPT_ASIDE);
    return aside;
  }

  /** Throws when there is no room for another one: then what can be read of this one goes on. */
  function rebuild(feed: Feed): AppliedChange | undefined {
    const { change, digest } = makeWhole(feed);
    const aside = setAside();
    renameSync(draft, path);
    store = { ...openStore(path, { clock, siteId, known: digest }), setAside: aside };
    damaged = false;
    onRebuilt(aside);
    return change;
  }

  /**
   * A file beside this one, with all of it, on the disk when this returns. Nobody reads it before that, so it has no log, and nothing of
   * it is written twice: what is left of it after a crash is removed by the next one.
   */
  function makeWhole(feed: Feed): { readonly change: AppliedChange | undefined; readonly digest: Digest } {
    removeDatabase(draft);
    try {
      const whole = openStore(draft, { clock, siteId });
      try {
        for (const pragma of UNLOGGED) whole.handle.pragma(pragma);
        return { change: whole.apply(feed), digest: whole.digest() };
      } finally {
        whole.handle.close();
        flush(draft);
      }
    } catch (error) {
      removeDatabase(draft);
      throw error;
    }
  }

  /** An empty one takes a large feed as a file: in its own it would be written twice, by way of the log. */
  function fillAnew(feed: Feed): AppliedChange | undefined {
    const { change, digest } = makeWhole(feed);
    const { setAside } = store;
    // Until another one is open: if none can be, the next full feed begins anew.
    damaged = true;
    store.handle.close();
    let known: Digest | undefined;
    try {
      removeDatabase(path);
      renameSync(draft, path);
      known = digest;
    } finally {
      // Where that failed, an empty one again: a closed one would take nothing any more.
      store = { ...openStore(path, { clock, siteId, known }), setAside };
      damaged = false;
    }
    return change;
  }

  function take(feed: Feed): AppliedChange | undefined {
    damaged ||= !isOurs();
    const isLarge = feed.kind === 'full' && feed.objects.length >= LARGE_FEED;
    if (!damaged && isLarge && store.standing() === undefined) return fillAnew(feed);
    if (!damaged) return guarded(({ apply }) => apply(feed));
    const held = store.standing()?.position;
    if (feed.kind !== 'full' || (held !== undefined && !isContinuation(feed.site, held))) return undefined;
    return rebuild(feed);
  }

  function apply(feed: Feed): AppliedChange | undefined {
    if (siteId !== undefined && feed.site.siteId !== siteId) return undefined;
    const before = store.standing();
    let change: AppliedChange | undefined;
    try {
      change = take(feed);
    } finally {
      if (store.standing() !== before) {
        devicesByKey.clear();
        byUid.clear();
      }
      // What has changed in a whole file was changed here.
      if (!damaged) written = stampOf(path);
    }
    if (change !== undefined) for (const listener of listeners) listener(change);
    return change;
  }

  return {
    position() {
      damaged ||= !isOurs();
      return damaged ? undefined : store.standing()?.position;
    },
    site: () => store.standing()?.site,
    apply,
    onApplied(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get: (kind, name) => guarded(({ queries }) => queries.get(kind, name)),
    find: (kind, name) => guarded(({ queries }) => queries.find(kind, name)),
    findByUid(kind, uid) {
      const key = `${kind} ${uid}`;
      if (byUid.has(key)) return byUid.get(key);
      const object = guarded(({ queries }) => queries.findByUid(kind, uid));
      remember(byUid, key, object);
      return object;
    },
    findDeviceByKey(keyHash) {
      if (devicesByKey.has(keyHash)) return devicesByKey.get(keyHash);
      const device = guarded(({ queries }) => queries.findDeviceByKey(keyHash));
      remember(devicesByKey, keyHash, device);
      // The same one, not a second copy. Of a tombstone's id there may be a living one.
      if (device?.deleted === false) remember(byUid, `Device ${device.uid}`, device);
      return device;
    },
    list: (kind, page) => guarded(({ queries }) => queries.list(kind, page)),
    count: kind => guarded(({ queries }) => queries.count(kind)),
    devicesOf: (group, page) => guarded(({ queries }) => queries.devicesOf(group, page)),
    nextUserByUid: uid => guarded(({ queries }) => queries.nextUserByUid(uid)),
    touchedSince: generation => guarded(({ queries }) => queries.touchedSince(generation)),
    page: (after, limit) => guarded(({ queries }) => queries.page(after, limit)),
    setAside: () => store.setAside,
    close() {
      if (isOurs()) store.handle.close();
      else setAside();
    },
  };
}

function remember<T>(held: Map<string, T>, key: string, one: T): void {
  if (held.size >= MAX_REMEMBERED) held.clear();
  held.set(key, one);
}

/** By a handle of its own, which no handle of SQLite may be beside. */
function flush(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** As new as what the damaged replica held: to go back would be worse than to go on with what can still be read. */
function isContinuation(site: SiteRow, held: ReplicaPosition): boolean {
  const order = compareVersions(site.version, held.version);
  return order > 0 || (order === 0 && site.commitId === held.commitId);
}

/** Changes with the file and with what is in it, but not with what is only in its log. */
function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return `${found?.dev}:${found?.ino}:${found?.size}:${found?.mtimeNs}`;
}
