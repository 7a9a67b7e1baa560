import { type DeviceBundle, NO_VERSION, newestVersion, type ThinmanEvent, type Version } from '@thinman/protocol';
import type { Emergency } from '../../packages/agent/src/core/emergency.ts';
import type { Cache, CachedLogin, ClockMark, OfflineFailures, Tombstone } from '../../packages/agent/src/ports.ts';

/** All that a device's store holds: plain data, so that a test can look at it, copy it, and go back. */
export type StoredDevice = {
  logins: Record<string, CachedLogin>;
  tombstones: Record<string, Tombstone>;
  failures: Record<string, OfflineFailures>;
  emergencies: Record<string, Emergency>;
  bundle: DeviceBundle | undefined;
  accepted: Version;
  mark: ClockMark | undefined;
  wiped?: number;
  outbox: ThinmanEvent[];
  isFull?: boolean;
  /** What the file system says to a wipe. */
  refusesWipe?: Error | undefined;
};

export const emptyDevice = (): StoredDevice => ({
  logins: {},
  tombstones: {},
  failures: {},
  emergencies: {},
  bundle: undefined,
  accepted: NO_VERSION,
  mark: undefined,
  outbox: [],
});

/** A store in memory, for tests of what decides; the real one has its own contract tests. */
export function memoryCache(device: StoredDevice): Cache {
  /** What concerns a user throws when the disk is full; the event of a login waits in memory. */
  const needsRoom = () => {
    if (device.isFull === true) throw Object.assign(new Error('simulated'), { name: 'CacheTrouble' });
  };
  /** What has happened and is not on the disk yet. */
  const later: ThinmanEvent[] = [];
  const settle = () => void device.outbox.push(...later.splice(0));
  return {
    condition: { kind: 'ok' },
    cachedLogin: user => device.logins[user],
    cachedUsers: () => Object.values(device.logins),
    tombstone: userId => device.tombstones[userId],
    tombstoneOf: user => Object.values(device.tombstones).findLast(tombstone => tombstone.user === user),
    forgetUsers(users) {
      needsRoom();
      forgetLogins(device, users);
    },
    wipeUsers(number, event) {
      if (device.refusesWipe !== undefined) throw device.refusesWipe;
      forgetLogins(device, Object.keys(device.logins));
      Object.assign(device, { failures: {}, emergencies: {}, wiped: number });
      settle();
      device.outbox.push(event);
    },
    wiped: () => device.wiped ?? 0,
    knownSubject(user) {
      const login = device.logins[user];
      const ofUser = Object.values(device.tombstones).filter(
        tombstone => tombstone.user === user || tombstone.userId === login?.userId,
      );
      const subjects = [...(login === undefined ? [] : [login]), ...ofUser].map(({ subject }) => subject);
      return subjects.length === 0 ? undefined : subjects.reduce(newestVersion);
    },
    offlineFailures: user => device.failures[user] ?? { count: 0, lastMs: 0 },
    commitLogin({ save, erase, clearTombstoneOf, tombstone, clearFailures, user, event, also = [], clockMark }) {
      settle();
      if (event !== undefined) device.outbox.push(event);
      device.outbox.push(...also);
      if (clockMark !== undefined) device.mark = clockMark;
      needsRoom();
      if (erase === true) {
        delete device.logins[user];
        if (tombstone !== undefined) removeLogins(device, tombstone.userId);
      }
      if (save !== undefined) {
        removeLogins(device, save.userId);
        device.logins[save.user] = save;
      }
      if (clearTombstoneOf !== undefined) delete device.tombstones[clearTombstoneOf];
      if (tombstone !== undefined) device.tombstones[tombstone.userId] = tombstone;
      if (clearFailures === true) delete device.failures[user];
    },
    countOfflineFailure(user, atMs) {
      needsRoom();
      device.failures[user] = { count: (device.failures[user]?.count ?? 0) + 1, lastMs: atMs };
    },
    clearOfflineFailures: user => void delete device.failures[user],
    emergency: user => device.emergencies[user],
    setEmergency(user, emergency, used) {
      needsRoom();
      device.emergencies[user] = emergency;
      if (used === undefined) return;
      settle();
      delete device.failures[user];
      device.outbox.push(used);
    },
    setTombstone(tombstone, eraseLogin) {
      device.tombstones[tombstone.userId] = tombstone;
      if (eraseLogin) removeLogins(device, tombstone.userId);
    },
    eraseUsers() {
      Object.assign(device, { logins: {}, tombstones: {}, failures: {}, emergencies: {}, bundle: undefined });
    },
    deviceBundle: () => device.bundle,
    saveDeviceBundle(bundle) {
      device.bundle = bundle;
    },
    acceptedVersion: () => device.accepted,
    setAcceptedVersion(version) {
      device.accepted = version;
    },
    clockMark: () => device.mark,
    setClockMark(mark) {
      device.mark = mark;
    },
    appendEvent(event, when = 'now') {
      later.push(event);
      if (when === 'now') settle();
    },
    settle,
    pendingEvents(limit) {
      settle();
      return device.outbox.slice(0, limit);
    },
    pendingEventCount: () => device.outbox.length + later.length,
    removeEvents(ids) {
      device.outbox = device.outbox.filter(({ id }) => !ids.includes(id));
    },
    close() {},
  };
}

function removeLogins(device: StoredDevice, userId: string): void {
  for (const [user, login] of Object.entries(device.logins)) if (login.userId === userId) delete device.logins[user];
}

function forgetLogins(device: StoredDevice, users: readonly string[]): void {
  for (const user of users) {
    const login = device.logins[user];
    if (login === undefined) continue;
    const { userId, subject } = login;
    device.tombstones[userId] ??= { userId, user, reason: 'forgotten', subject };
    delete device.logins[user];
  }
}
