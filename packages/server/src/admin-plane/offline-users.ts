import {
  type DeviceSystem,
  MAX_OFFLINE_ANSWER,
  type OfflineUsersAnswer,
  OfflineUsersQuery,
  parseValue,
  type UserSystem,
} from '@thinman/protocol';
import type { HeldThere } from '../device-plane/channel/holdings.ts';
import { loginParts } from '../directory/login-name.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { AdminDeps } from './admin-deps.ts';
import { badRequest } from './route.ts';

/** Who could log in where without a server: of one device, or of one user. By what devices told this server since it started. */
export function offlineUsers(deps: AdminDeps, query: unknown): Outcome<OfflineUsersAnswer> {
  const parsed = parseValue(OfflineUsersQuery, query);
  if (!parsed.ok) return badRequest([{ field: 'device', message: 'name a device, or a user, and not both' }]);
  return 'device' in parsed.value ? ofDevice(deps, parsed.value.device) : ofUser(deps, parsed.value.user);
}

function ofDevice(deps: AdminDeps, name: string): Outcome<OfflineUsersAnswer> {
  const device = deps.replica.get('Device', name);
  if (device === undefined || device.deleted) return refused('not_found', { detail: `There is no Device "${name}".` });
  const report = deps.holdings?.of(device.uid);
  const { wipe } = device.system as DeviceSystem;
  return done({
    server: deps.identity.name,
    items: (report?.users ?? []).map(held => item(deps, held)),
    more: false,
    device: {
      toldAt: report?.toldAt ?? null,
      wipe:
        wipe === undefined
          ? null
          : { requestedAt: wipe.number, by: wipe.by, done: (report?.wiped ?? 0) >= wipe.number },
    },
  });
}

function ofUser(deps: AdminDeps, name: string): Outcome<OfflineUsersAnswer> {
  const user = deps.replica.get('User', name);
  const userId = user?.deleted === false ? user.uid : undefined;
  const found = deps.holdings?.ofUser({ userId, name, isSame: samePerson(deps, name) }, MAX_OFFLINE_ANSWER + 1) ?? [];
  return done({
    server: deps.identity.name,
    items: found.slice(0, MAX_OFFLINE_ANSWER).map(held => item(deps, held)),
    more: found.length > MAX_OFFLINE_ANSWER,
  });
}

/** Devices tell the names of a directory's users as they were typed: `LAB\\alice` holds the row that the helpdesk asks for as `alice`. */
function samePerson({ directories, replica }: AdminDeps, name: string): ((user: string) => boolean) | undefined {
  if (directories === undefined || directories.claims(name) === 'none') return undefined;
  const isLocal = (user: string) =>
    (replica.get('User', user)?.system as UserSystem | undefined)?.credential !== undefined;
  if (isLocal(name)) return undefined;
  const keys = new Set<string>(directories.keysOf(name));
  const { local } = loginParts(name);
  // Names are first looked at as text: their forms are made of some hundred, not of a hundred thousand.
  return user =>
    user.toLowerCase().includes(local.toLowerCase()) &&
    !isLocal(user) &&
    directories.keysOf(user).some(key => keys.has(key));
}

function item({ holdings, replica }: AdminDeps, { deviceUid, device, ...held }: HeldThere) {
  // Renamed by a restore or a replacement: as it is called now.
  const name = replica.findByUid('Device', deviceUid)?.name ?? device;
  return { device: name, ...held, connected: holdings?.isConnected(deviceUid) === true };
}
