import type { DeviceBody } from '@thinman/protocol';
import { createReachFilter } from '../../core/reach.ts';
import type { AppliedChange, StoredObject } from '../../ports.ts';
import type { SiteView } from '../site-view.ts';
import type { Connection } from './connection.ts';

/** The open channels, found by device and by the users that matter there. One channel a device. */
export type Audience = {
  /** The connection that this one replaces. */
  add(connection: Connection): Connection | undefined;
  remove(connection: Connection): void;
  of(deviceUid: string): Connection | undefined;
  all(): Iterable<Connection>;
  size(): number;
  /** To be called when the users or the session of a connection have changed. */
  reindex(connection: Connection): void;
  concernedBy(change: AppliedChange): Concerned;
};

/** Whom a change may concern: whoever is in here is looked at, nobody else. */
export type Concerned = {
  /** Words about every user may have changed: the site's settings, or groups that are excluded by them. */
  readonly allWords: boolean;
  /** Bundles of these may have changed, though nothing of the change names them. */
  readonly reached: readonly Connection[];
  readonly devices: readonly { readonly connection: Connection; readonly device: StoredObject }[];
  /** User ids to look at, by connection. */
  readonly users: ReadonlyMap<Connection, ReadonlySet<string>>;
};

export function createAudience(site: Pick<SiteView, 'config' | 'reach'>): Audience {
  const byDevice = new Map<string, Connection>();
  const byUser = new Map<string, Set<Connection>>();
  const indexed = new Map<Connection, readonly { readonly userId: string; readonly name: string | undefined }[]>();
  /** A user who was deleted and created anew has another id: whoever caches the old one is found by the name. */
  const idsByName = new Map<string, Set<string>>();

  const unindex = (connection: Connection) => {
    for (const { userId, name } of indexed.get(connection) ?? []) {
      const connections = byUser.get(userId);
      connections?.delete(connection);
      if (connections === undefined || connections.size > 0) continue;
      byUser.delete(userId);
      const ids = name === undefined ? undefined : idsByName.get(name);
      if (name !== undefined && ids?.delete(userId) && ids.size === 0) idsByName.delete(name);
    }
    indexed.delete(connection);
  };

  return {
    add(connection) {
      const older = byDevice.get(connection.device.uid);
      if (older !== undefined) unindex(older);
      byDevice.set(connection.device.uid, connection);
      return older;
    },
    remove(connection) {
      unindex(connection);
      if (byDevice.get(connection.device.uid) === connection) byDevice.delete(connection.device.uid);
    },
    of: deviceUid => byDevice.get(deviceUid),
    all: () => byDevice.values(),
    size: () => byDevice.size,
    reindex(connection) {
      unindex(connection);
      if (byDevice.get(connection.device.uid) !== connection) return;
      const { sessionUser, users } = connection;
      const ids = new Set([...users.keys(), ...(sessionUser === undefined ? [] : [sessionUser])]);
      const entries = Array.from(ids, userId => ({ userId, name: users.get(userId)?.name }));
      indexed.set(connection, entries);
      for (const { userId, name } of entries) {
        byUser.set(userId, (byUser.get(userId) ?? new Set()).add(connection));
        if (name !== undefined) idsByName.set(name, (idsByName.get(name) ?? new Set()).add(userId));
      }
    },
    concernedBy(change) {
      const reach = site.reach();
      const isReached = createReachFilter(reach, site.config());
      const nobody = reach.kind === 'targets' && reach.targets.length === 0;
      const reached = nobody ? [] : [...byDevice.values()].filter(connection => isReached(placeOf(connection)));
      const allWords = reach.kind === 'everybody';
      const devices: { connection: Connection; device: StoredObject }[] = [];
      const users = new Map<Connection, Set<string>>();
      for (const object of change.objects) {
        if (object.kind === 'Device') {
          const connection = byDevice.get(object.uid);
          if (connection !== undefined) devices.push({ connection, device: object });
        } else if (object.kind === 'User') {
          for (const userId of new Set([object.uid, ...(idsByName.get(object.name) ?? [])])) {
            for (const connection of byUser.get(userId) ?? []) {
              users.set(connection, (users.get(connection) ?? new Set()).add(userId));
            }
          }
        }
      }
      return { allWords, reached, devices, users };
    },
  };
}

function placeOf({ device, sessionUser, users }: Connection) {
  const isInUse = sessionUser !== undefined;
  const user = isInUse ? users.get(sessionUser)?.name : undefined;
  return { device: device.name, group: (device.body as DeviceBody).group, isInUse, user };
}
