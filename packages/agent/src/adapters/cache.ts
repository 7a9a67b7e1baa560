import {
  canonicalJson,
  DeviceBundle,
  isOlder,
  lengthPrefixed,
  MAX_BODY_BYTES,
  NO_VERSION,
  newestVersion,
  parseJson,
  type ThinmanEvent,
  type Version,
} from '@thinman/protocol';
import type { Emergency } from '../core/emergency.ts';
import { hasDomain, heldName, otherNames } from '../core/held-names.ts';
import type {
  Cache,
  CachedLogin,
  CachedUser,
  Clock,
  ClockMark,
  DeviceIdentity,
  OfflineFailures,
  Tombstone,
} from '../ports.ts';
import { removeSetAside } from './cache-file.ts';
import type { Row, Rows } from './cache-rows.ts';
import { type CacheStore, openCacheStore, type Tables } from './cache-store.ts';
import { CacheTrouble } from './cache-trouble.ts';
import { decryptBox, deviceSubkey, encryptBox } from './sealing.ts';

export type CacheOptions = Pick<DeviceIdentity, 'siteId' | 'deviceId' | 'deviceSecret'> & {
  readonly clock: Clock;
  /** It was made before, at enrolment: a file that is not there was lost, and that is told. */
  readonly isExpected?: boolean;
};

const ROW_KEY_LABEL = 'thinman/1/cache-rows';
const BUNDLE_KEY_LABEL = 'thinman/1/device-bundle';
/** Versions kept of users who were forgotten: some 200 bytes each, and needed only until every server has what the newest one had. */
const MAX_FORGOTTEN = 1000;
const NO_FAILURES: OfflineFailures = { count: 0, lastMs: 0 };

/** Values of the device itself, by the key of their row. */
type DeviceValues = { bundle: DeviceBundle; accepted: Version; clock: ClockMark; wiped: number };

/**
 * What concerns a user throws CacheTrouble when the disk is full or the file damaged: nothing may be decided without it.
 * The device's own values and the events fall back to memory, so that the agent goes on, and come to disk when they can.
 */
export function openCache(path: string, options: CacheOptions): Cache {
  const { siteId, deviceId, deviceSecret, clock, isExpected = false } = options;
  const owner = { siteId, deviceId, rowKey: deviceSubkey(deviceSecret, siteId, ROW_KEY_LABEL) };
  const bundleKey = deviceSubkey(deviceSecret, siteId, BUNDLE_KEY_LABEL);
  const bundleAad = lengthPrefixed([siteId, deviceId]);
  /** As read or set last. */
  const known: Partial<DeviceValues> = {};
  /** What waits in memory for a disk that takes it: values, events, and events that are to be removed. */
  const unsaved = new Set<keyof DeviceValues>();
  let overflow: readonly ThinmanEvent[] = [];
  let delivered: readonly string[] = [];

  const put = (rows: Rows, key: keyof DeviceValues) => {
    const value = known[key];
    if (value === undefined) return;
    if (key !== 'bundle') rows.put('device', key, value);
    else rows.put('device', key, null, { blob: encryptBox(bundleKey, Buffer.from(canonicalJson(value)), bundleAad) });
  };
  const onRebuilt = ({ rows }: Tables) => {
    for (const key of ['bundle', 'accepted', 'clock', 'wiped'] as const) put(rows, key);
  };
  const store = openCacheStore(path, owner, { clock, isExpected, onRebuilt });

  /** undefined when the store is in trouble. */
  const attempt = <T>(
    work: (tables: Tables) => T,
    run: CacheStore['runAnew'] = store.runAnew,
  ): { readonly done: T } | undefined => {
    try {
      return { done: run(work) };
    } catch (error) {
      if (error instanceof CacheTrouble) return undefined;
      throw error;
    }
  };
  /** Before any other event is written: they are sent in the order in which they happened. */
  const writeWaiting = () => {
    if (overflow.length > 0 && attempt(({ outbox }) => overflow.forEach(outbox.append))) overflow = [];
  };
  /** Each by itself: what is small may find room where what is large does not. */
  const flush = () => {
    writeWaiting();
    for (const key of unsaved) if (attempt(({ rows }) => put(rows, key))) unsaved.delete(key);
    // A power cut brings them back: then they are sent once more, and are known there.
    if (delivered.length > 0 && attempt(({ outbox }) => outbox.remove(delivered), store.runUnflushed)) delivered = [];
  };
  const saveValue = <K extends keyof DeviceValues>(key: K, value: DeviceValues[K]) => {
    known[key] = value;
    unsaved.add(key);
    flush();
  };
  const loadValue = <K extends 'accepted' | 'clock' | 'wiped'>(key: K): DeviceValues[K] | undefined => {
    if (known[key] === undefined) {
      const row = attempt(({ rows }) => rows.get('device', key), store.lookAnew)?.done;
      if (row !== undefined) known[key] = read<DeviceValues[K]>(row);
    }
    return known[key];
  };

  const pendingEvents = (limit: number): readonly ThinmanEvent[] => {
    flush();
    const stored = attempt(({ outbox }) => outbox.pending(limit + delivered.length, clock.nowMs()))?.done ?? [];
    return [...stored.filter(({ id }) => !delivered.includes(id)), ...overflow].slice(0, limit);
  };

  /** A full disk has no room for a deletion; the file itself can always go. Its events are kept, and what is the device's own. */
  const removeFileOfUsers = (event?: ThinmanEvent) => {
    for (const key of ['accepted', 'clock', 'wiped'] as const) loadValue(key);
    const events = pendingEvents(Number.MAX_SAFE_INTEGER);
    store.remove();
    const isStored = events.some(({ id }) => id === event?.id);
    overflow = event === undefined || isStored ? events : [...events, event];
    delivered = [];
    for (const key of Object.keys(known) as (keyof DeviceValues)[]) unsaved.add(key);
    flush();
  };
  /** What was deleted is still in the log until then; where that fails, it goes with the next start. */
  const compact = () => {
    try {
      store.compact();
    } catch (error) {
      if (!(error instanceof CacheTrouble)) throw error;
    }
  };

  return {
    get condition() {
      return store.condition();
    },
    cachedLogin: user => store.look(({ rows }) => readLogin(rows.get('login', nameOfRow(rows, user)))),
    cachedUsers: () =>
      (attempt(({ rows }) => rows.all('login'), store.lookAnew)?.done ?? []).map(row => read<CachedUser>(row)),
    tombstone: userId => store.look(({ rows }) => readTombstone(rows.get('tombstone', userId))),
    tombstoneOf: user => store.look(({ rows }) => rows.byRef('tombstone', user).map(readTombstone).at(-1)),
    knownSubject: user =>
      store.look(({ rows }) => {
        const login = readLogin(rows.get('login', nameOfRow(rows, user)));
        const ofId = login === undefined ? undefined : readTombstone(rows.get('tombstone', login.userId));
        const subjects = [login, ofId, ...rows.byRef('tombstone', user).map(readTombstone)].flatMap(
          known => known?.subject ?? [],
        );
        return subjects.length === 0 ? undefined : subjects.reduce(newestVersion);
      }),
    offlineFailures: user => store.look(({ rows }) => readFailures(rows, nameOfRow(rows, user))),
    commitLogin(commit) {
      const events = [...(commit.event === undefined ? [] : [commit.event]), ...(commit.also ?? [])];
      if (commit.clockMark !== undefined) {
        known.clock = commit.clockMark;
        unsaved.add('clock');
      }
      let isErased = false;
      writeWaiting();
      try {
        store.runAnew(({ rows, outbox }) => {
          // The row may get another name by this.
          const cleared = commit.clearFailures === true ? [commit.user, nameOfRow(rows, commit.user)] : [];
          isErased = commit.erase === true && eraseLogins(rows, commit.user, commit.tombstone?.userId);
          if (commit.save !== undefined) putLogin(rows, commit.save);
          if (commit.clearTombstoneOf !== undefined) rows.remove('tombstone', commit.clearTombstoneOf);
          if (commit.tombstone !== undefined) putTombstone(rows, commit.tombstone);
          for (const name of cleared) rows.remove('failures', name);
          for (const event of events) outbox.append(event);
          if (commit.clockMark !== undefined) put(rows, 'clock');
        });
        if (commit.clockMark !== undefined) unsaved.delete('clock');
      } catch (error) {
        // No login without its events: they wait in memory for room on disk, and are sent from there.
        if (error instanceof CacheTrouble) overflow = [...overflow, ...events];
        throw error;
      }
      if (isErased) compact();
      flush();
    },
    countOfflineFailure: (user, atMs) =>
      store.run(({ rows }) => {
        const name = nameOfRow(rows, user);
        const count = readFailures(rows, name).count + 1;
        rows.put('failures', name, { count, lastMs: atMs } satisfies OfflineFailures);
      }),
    clearOfflineFailures: user => store.run(({ rows }) => rows.remove('failures', nameOfRow(rows, user))),
    emergency: user => store.look(({ rows }) => readEmergency(rows.get('emergency', user))),
    setEmergency(user, emergency, used) {
      if (used !== undefined) writeWaiting();
      store.run(({ rows, outbox }) => {
        rows.put('emergency', user, emergency);
        if (used === undefined) return;
        rows.remove('failures', nameOfRow(rows, user));
        outbox.append(used);
      });
    },
    setTombstone(tombstone, eraseLogin) {
      store.runAnew(({ rows }) => {
        putTombstone(rows, tombstone);
        if (eraseLogin) removeLogins(rows, tombstone.userId);
      });
      if (eraseLogin) compact();
    },
    forgetUsers(users) {
      store.run(({ rows }) => forget(rows, users));
      compact();
    },
    wipeUsers(number, event) {
      const before = loadValue('wiped');
      // Written down with it, and taken back where it was not done.
      known.wiped = number;
      try {
        // First what can be done twice: whoever is killed meanwhile begins again.
        removeSetAside(path, 0);
        writeWaiting();
        store.runAnew(({ rows, outbox }) => {
          forget(
            rows,
            rows.all('login').map(({ key }) => key),
          );
          for (const kind of ['failures', 'emergency'] as const) rows.removeKind(kind);
          put(rows, 'wiped');
          outbox.append(event);
        });
        unsaved.delete('wiped');
        store.compact();
      } catch (error) {
        try {
          if (!(error instanceof CacheTrouble)) throw error;
          removeFileOfUsers(event);
        } catch (failure) {
          if (before === undefined) delete known.wiped;
          else known.wiped = before;
          throw failure;
        }
      }
    },
    wiped: () => loadValue('wiped') ?? 0,
    eraseUsers() {
      delete known.bundle;
      unsaved.delete('bundle');
      try {
        store.runAnew(({ rows }) => {
          for (const kind of ['login', 'tombstone', 'failures', 'emergency'] as const) rows.removeKind(kind);
          rows.remove('device', 'bundle');
        });
        store.compact();
        removeSetAside(path, 0);
      } catch (error) {
        if (!(error instanceof CacheTrouble)) throw error;
        removeFileOfUsers();
      }
    },
    deviceBundle() {
      if (known.bundle !== undefined) return known.bundle;
      const row = attempt(({ rows }) => rows.get('device', 'bundle'), store.lookAnew)?.done;
      const plain = row === undefined ? undefined : decryptBox(bundleKey, row.blob, bundleAad);
      const parsed = plain === undefined ? undefined : parseJson(DeviceBundle, plain.toString(), MAX_BODY_BYTES);
      if (parsed?.ok === true) known.bundle = parsed.value;
      return known.bundle;
    },
    saveDeviceBundle: bundle => saveValue('bundle', bundle),
    acceptedVersion: () => loadValue('accepted') ?? NO_VERSION,
    setAcceptedVersion: version => saveValue('accepted', version),
    clockMark: () => loadValue('clock'),
    setClockMark: mark => saveValue('clock', mark),
    appendEvent(event, when = 'now') {
      overflow = [...overflow, event];
      if (when === 'now') flush();
    },
    settle: flush,
    pendingEvents,
    pendingEventCount() {
      const stored = attempt(({ outbox }) => outbox.count(), store.lookAnew)?.done ?? 0;
      return Math.max(stored - delivered.length, 0) + overflow.length;
    },
    removeEvents(ids) {
      const waiting = new Set(overflow.map(({ id }) => id));
      overflow = overflow.filter(({ id }) => !ids.includes(id));
      delivered = [...delivered, ...ids.filter(id => !waiting.has(id))];
      flush();
    },
    close() {
      store.close();
      owner.rowKey.fill(0);
      bundleKey.fill(0);
    },
  };
}

/** The tag has vouched for the row: it is what this program wrote, in the form of this schema version. */
function read<T>(row: Row): T {
  return JSON.parse(row.body) as T;
}

function readLogin(row: Row | undefined): CachedLogin | undefined {
  return row === undefined ? undefined : { ...read<Omit<CachedLogin, 'sealed'>>(row), sealed: row.blob };
}

/** The row that is meant by a typed name: the one of that name, or one that is known by it as well. */
function nameOfRow(rows: Rows, typed: string): string {
  if (!hasDomain(typed) || rows.get('login', typed) !== undefined) return typed;
  return (
    heldName(
      typed,
      rows.all('login').map(row => read<CachedUser>(row)),
    ) ?? typed
  );
}

function putLogin(rows: Rows, { sealed, ...login }: CachedLogin): void {
  // A user who was renamed has one login, under the new name; what they were called before still finds it.
  const names = otherNames(
    login,
    rows.byRef('login', login.userId).map(row => read<CachedUser>(row)),
  );
  removeLogins(rows, login.userId);
  const row = names.length === 0 ? login : { ...login, names };
  rows.put('login', login.user, row, { ref: login.userId, blob: sealed });
}

/** Rows go, versions stay: as tombstones that say nothing else. The oldest of too many of those go as well. */
function forget(rows: Rows, users: readonly string[]): void {
  for (const user of users) {
    const login = readLogin(rows.get('login', user));
    if (login === undefined) continue;
    const { userId, subject } = login;
    const word = readTombstone(rows.get('tombstone', userId));
    if (word === undefined) putTombstone(rows, { userId, user, reason: 'forgotten', subject });
    else putTombstone(rows, { ...word, subject: newestVersion(word.subject, subject) });
    rows.remove('login', user);
  }
  const forgotten = rows.all('tombstone').flatMap(row => {
    const tombstone = read<Tombstone>(row);
    return tombstone.reason === 'forgotten' ? [tombstone] : [];
  });
  if (forgotten.length <= MAX_FORGOTTEN) return;
  const oldestFirst = forgotten.toSorted((a, b) => (isOlder(a.subject, b.subject) ? -1 : 1));
  for (const { userId } of oldestFirst.slice(0, forgotten.length - MAX_FORGOTTEN)) rows.remove('tombstone', userId);
}

function removeLogins(rows: Rows, userId: string): void {
  for (const { key } of rows.byRef('login', userId)) rows.remove('login', key);
}

/** A directory's user has one row, under the name that was typed last (and found by others). False: there was none. */
function eraseLogins(rows: Rows, user: string, userId: string | undefined): boolean {
  const ofId = userId === undefined ? [] : rows.byRef('login', userId).map(({ key }) => key);
  const held = [user, ...ofId].filter(name => rows.get('login', name) !== undefined);
  for (const name of held) rows.remove('login', name);
  return held.length > 0;
}

function readTombstone(row: Row | undefined): Tombstone | undefined {
  return row === undefined ? undefined : read<Tombstone>(row);
}

function readEmergency(row: Row | undefined): Emergency | undefined {
  return row === undefined ? undefined : read<Emergency>(row);
}

function putTombstone(rows: Rows, tombstone: Tombstone): void {
  rows.put('tombstone', tombstone.userId, tombstone, { ref: tombstone.user });
}

function readFailures(rows: Rows, user: string): OfflineFailures {
  const row = rows.get('failures', user);
  return row === undefined ? NO_FAILURES : read<OfflineFailures>(row);
}
