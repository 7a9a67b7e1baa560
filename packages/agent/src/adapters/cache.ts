import {
  canonicalJson,
  DeviceBundle,
  lengthPrefixed,
  MAX_BODY_BYTES,
  NO_VERSION,
  newestVersion,
  parseJson,
  type ThinmanEvent,
  type Version,
} from '@thinman/protocol';
import type { Cache, CachedLogin, Clock, ClockMark, DeviceIdentity, OfflineFailures, Tombstone } from '../ports.ts';
import { removeSetAside } from './cache-file.ts';
import type { Row, Rows } from './cache-rows.ts';
import { openCacheStore, type Tables } from './cache-store.ts';
import { CacheTrouble } from './cache-trouble.ts';
import { decryptBox, deviceSubkey, encryptBox } from './sealing.ts';

export type CacheOptions = Pick<DeviceIdentity, 'siteId' | 'deviceId' | 'deviceSecret'> & { readonly clock: Clock };

const ROW_KEY_LABEL = 'thinman/1/cache-rows';
const BUNDLE_KEY_LABEL = 'thinman/1/device-bundle';
const NO_FAILURES: OfflineFailures = { count: 0, lastMs: 0 };

/** Values of the device itself, by the key of their row. */
type DeviceValues = { bundle: DeviceBundle; accepted: Version; clock: ClockMark };

/**
 * What concerns a user throws CacheTrouble when the disk is full or the file damaged: nothing may be decided without it.
 * The device's own values and the events fall back to memory, so that the agent goes on, and come to disk when they can.
 */
export function openCache(path: string, options: CacheOptions): Cache {
  const { siteId, deviceId, deviceSecret, clock } = options;
  const owner = { siteId, deviceId, rowKey: deviceSubkey(deviceSecret, siteId, ROW_KEY_LABEL) };
  const bundleKey = deviceSubkey(deviceSecret, siteId, BUNDLE_KEY_LABEL);
  const bundleAad = lengthPrefixed([siteId, deviceId]);
  const store = openCacheStore(path, owner, clock);
  const held: Partial<DeviceValues> = {};
  /** Events that found no room on disk. */
  let overflow: readonly ThinmanEvent[] = [];

  /** undefined when the store is in trouble. */
  const attempt = <T>(work: (tables: Tables) => T): T | undefined => {
    try {
      return store.runAnew(work);
    } catch (error) {
      if (error instanceof CacheTrouble) return undefined;
      throw error;
    }
  };
  const saveValue = <K extends keyof DeviceValues>(key: K, value: DeviceValues[K], put: (rows: Rows) => void) => {
    const saved = attempt(({ rows }) => {
      put(rows);
      return true;
    });
    if (saved) delete held[key];
    else held[key] = value;
  };
  const loadValue = <K extends 'accepted' | 'clock'>(key: K): DeviceValues[K] | undefined => {
    const row = attempt(({ rows }) => rows.get('device', key));
    return held[key] ?? (row === undefined ? undefined : read<DeviceValues[K]>(row));
  };
  const storeOverflow = () => {
    if (overflow.length === 0) return;
    const stored = attempt(({ outbox }) => {
      for (const event of overflow) outbox.append(event);
      return true;
    });
    if (stored) overflow = [];
  };

  return {
    get condition() {
      return store.condition();
    },
    cachedLogin: user => store.run(({ rows }) => readLogin(rows.get('login', user))),
    cachedUsers: () => (attempt(({ rows }) => rows.all('login')) ?? []).flatMap(row => readLogin(row) ?? []),
    tombstone: userId => store.run(({ rows }) => readTombstone(rows.get('tombstone', userId))),
    knownSubject: user =>
      store.run(({ rows }) => {
        const login = readLogin(rows.get('login', user));
        const ofId = login === undefined ? undefined : readTombstone(rows.get('tombstone', login.userId));
        const subjects = [login, ofId, ...rows.byRef('tombstone', user).map(readTombstone)].flatMap(
          known => known?.subject ?? [],
        );
        return subjects.length === 0 ? undefined : subjects.reduce(newestVersion);
      }),
    offlineFailures: user => store.run(({ rows }) => readFailures(rows, user)),
    commitLogin(commit) {
      try {
        store.runAnew(({ rows, outbox }) => {
          if (commit.eraseUser !== undefined) rows.remove('login', commit.eraseUser);
          if (commit.save !== undefined) putLogin(rows, commit.save);
          if (commit.clearTombstoneOf !== undefined) rows.remove('tombstone', commit.clearTombstoneOf);
          if (commit.tombstone !== undefined) putTombstone(rows, commit.tombstone);
          if (commit.clearFailures === true) rows.remove('failures', commit.user);
          if (commit.event !== undefined) outbox.append(commit.event);
        });
      } catch (error) {
        // No login without its event: it waits in memory for room on disk, and is sent from there.
        if (error instanceof CacheTrouble && commit.event !== undefined) overflow = [...overflow, commit.event];
        throw error;
      }
      storeOverflow();
    },
    countOfflineFailure: (user, atMs) =>
      store.run(({ rows }) =>
        rows.put('failures', user, {
          count: readFailures(rows, user).count + 1,
          lastMs: atMs,
        } satisfies OfflineFailures),
      ),
    clearOfflineFailures: user => store.run(({ rows }) => rows.remove('failures', user)),
    setTombstone: (tombstone, eraseLogin) =>
      store.runAnew(({ rows }) => {
        putTombstone(rows, tombstone);
        if (eraseLogin) removeLogins(rows, tombstone.userId);
      }),
    eraseUsers() {
      delete held.bundle;
      try {
        store.runAnew(({ rows }) => {
          for (const kind of ['login', 'tombstone', 'failures'] as const) rows.removeKind(kind);
          rows.remove('device', 'bundle');
        });
        store.compact();
        removeSetAside(path, 0);
      } catch (error) {
        if (!(error instanceof CacheTrouble)) throw error;
        // A full disk has no room for a deletion; the file itself can always go. Its events are kept.
        overflow = [
          ...(attempt(({ outbox }) => outbox.pending(Number.MAX_SAFE_INTEGER, clock.nowMs())) ?? []),
          ...overflow,
        ];
        store.remove();
        storeOverflow();
      }
    },
    deviceBundle() {
      if (held.bundle !== undefined) return held.bundle;
      const row = attempt(({ rows }) => rows.get('device', 'bundle'));
      const plain = row === undefined ? undefined : decryptBox(bundleKey, row.blob, bundleAad);
      const parsed = plain === undefined ? undefined : parseJson(DeviceBundle, plain.toString(), MAX_BODY_BYTES);
      return parsed?.ok === true ? parsed.value : undefined;
    },
    saveDeviceBundle(bundle) {
      const blob = encryptBox(bundleKey, Buffer.from(canonicalJson(bundle)), bundleAad);
      saveValue('bundle', bundle, rows => rows.put('device', 'bundle', null, { blob }));
    },
    acceptedVersion: () => loadValue('accepted') ?? NO_VERSION,
    setAcceptedVersion: version => saveValue('accepted', version, rows => rows.put('device', 'accepted', version)),
    clockMark: () => loadValue('clock'),
    setClockMark: mark => saveValue('clock', mark, rows => rows.put('device', 'clock', mark)),
    appendEvent(event) {
      overflow = [...overflow, event];
      storeOverflow();
    },
    pendingEvents(limit) {
      storeOverflow();
      const stored = attempt(({ outbox }) => outbox.pending(limit, clock.nowMs())) ?? [];
      return [...stored, ...overflow].slice(0, limit);
    },
    pendingEventCount: () => (attempt(({ outbox }) => outbox.count()) ?? 0) + overflow.length,
    removeEvents(ids) {
      const gone = new Set(ids);
      overflow = overflow.filter(event => !gone.has(event.id));
      attempt(({ outbox }) => outbox.remove(ids));
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

function putLogin(rows: Rows, { sealed, ...login }: CachedLogin): void {
  // A user who was renamed has one login, under the new name.
  removeLogins(rows, login.userId);
  rows.put('login', login.user, login, { ref: login.userId, blob: sealed });
}

function removeLogins(rows: Rows, userId: string): void {
  for (const { key } of rows.byRef('login', userId)) rows.remove('login', key);
}

function readTombstone(row: Row | undefined): Tombstone | undefined {
  return row === undefined ? undefined : read<Tombstone>(row);
}

function putTombstone(rows: Rows, tombstone: Tombstone): void {
  rows.put('tombstone', tombstone.userId, tombstone, { ref: tombstone.user });
}

function readFailures(rows: Rows, user: string): OfflineFailures {
  const row = rows.get('failures', user);
  return row === undefined ? NO_FAILURES : read<OfflineFailures>(row);
}
