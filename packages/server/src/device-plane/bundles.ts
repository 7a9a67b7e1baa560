import {
  type BundleFile,
  DEFAULT_AGENT_TIMINGS,
  type DeviceBody,
  type DeviceBundle,
  SETTINGS,
  type UserBody,
  type UserBundle,
} from '@thinman/protocol';
import { matchingAssignments } from '../core/matching.ts';
import { type ResolvedPolicy, resolvePolicy } from '../core/resolve-policy.ts';
import { resolveProfile } from '../core/resolve-profile.ts';
import type { Subject } from '../core/site-config.ts';
import { filesIn } from '../core/staged-index.ts';
import type { Replica, StoredObject } from '../ports.ts';
import { etagOf } from './etag.ts';
import { offlineRules } from './offline-rules.ts';
import type { SiteView } from './site-view.ts';

/** A bundle without the version of the answer: as long as nothing in it changes, it stays the same object. */
export type DeviceContent = Omit<DeviceBundle, 'version'>;
export type UserContent = Omit<UserBundle, 'version'>;

/** Computes what devices store, from the replica; remembered until something that it rests on changes. */
export type Bundles = {
  device(device: StoredObject): DeviceContent;
  user(device: StoredObject, user: StoredObject): UserContent;
  /** The content with the version of the replica that answers. */
  versioned<C extends DeviceContent | UserContent>(content: C): C & Pick<DeviceBundle, 'version'>;
};

/** Bundles remembered: at ~4 kB each, 80 MB at most; beyond, the oldest are computed anew (well below a millisecond). */
const MAX_REMEMBERED = 20_000;

export function createBundles(site: SiteView, replica: Pick<Replica, 'site'>): Bundles {
  const remember = <T>() => createMemo<T>(() => site.revision(), MAX_REMEMBERED);
  const devices = remember<DeviceContent>();
  const users = remember<UserContent>();
  return {
    device: device => devices(stamp(device), () => deviceContent(site, device)),
    user: (device, user) => users(`${stamp(device)} ${stamp(user)}`, () => userContent(site, device, user)),
    versioned(content) {
      const version = replica.site()?.version;
      if (version === undefined) throw new Error('a bundle was made without a replica');
      return { ...content, version };
    },
  };
}

const stamp = ({ uid, generation }: StoredObject) => `${uid}@${generation}`;

/** Forgets everything when `revision` changes, and the oldest entry when it is full. */
function createMemo<T>(revision: () => number, maxEntries: number): (key: string, make: () => T) => T {
  const held = new Map<string, T>();
  let heldRevision = revision();
  return (key, make) => {
    if (heldRevision !== revision()) {
      held.clear();
      heldRevision = revision();
    }
    const found = held.get(key);
    if (found !== undefined) return found;
    const made = make();
    const [oldest] = held.keys();
    if (held.size >= maxEntries && oldest !== undefined) held.delete(oldest);
    held.set(key, made);
    return made;
  };
}

function deviceContent(site: SiteView, device: StoredObject): DeviceContent {
  const { subject, group } = deviceSubject(device);
  const config = site.configFor(group);
  const matches = matchingAssignments(config, subject);
  const settings = valuesOf(resolvePolicy(config, subject, matches));
  return tagged({
    device: { id: device.uid, name: device.name, group: group ?? null },
    settings,
    ...filesOf(site, settings),
    profile: { connections: [...resolveProfile(config, subject, matches).connections] },
    timings: { ...DEFAULT_AGENT_TIMINGS, ...site.settings().agent },
  });
}

/** Device-only settings are in the device's own bundle: here they would only make this one change more often. */
function userContent(site: SiteView, device: StoredObject, user: StoredObject): UserContent {
  const body = user.body as UserBody;
  const groups = body.groups ?? [];
  const { subject: place, group } = deviceSubject(device);
  const subject: Subject = { ...place, user: { name: user.name, groups } };
  const config = site.configFor(group);
  const matches = matchingAssignments(config, subject);
  const settings = valuesOf(resolvePolicy(config, subject, matches), 'of_users');
  return tagged({
    user: { id: user.uid, name: user.name, displayName: body.displayName ?? null, groups: [...groups] },
    settings,
    ...filesOf(site, settings),
    profile: { connections: [...resolveProfile(config, subject, matches).connections] },
    offline: offlineRules(site, body),
  });
}

/** What devices fetch by its hash. Bundles without files have no such field, and the ETag that they always had. */
function filesOf(site: SiteView, settings: Readonly<Record<string, unknown>>): { readonly files?: BundleFile[] } {
  const names = new Set(filesIn(Object.entries(settings)));
  const files = [...names].sort().flatMap(name => {
    const file = site.files().get(name);
    if (file === undefined) return [];
    const { sha256, bytes, url } = file;
    return [{ name, sha256, bytes, ...(url !== undefined && { url }) }];
  });
  return files.length === 0 ? {} : { files };
}

function deviceSubject(device: StoredObject): { readonly subject: Subject; readonly group: string | undefined } {
  const { group } = device.body as DeviceBody;
  return { subject: { device: { name: device.name, ...(group !== undefined && { group }) } }, group };
}

function valuesOf(resolved: ResolvedPolicy, which: 'all' | 'of_users' = 'all'): Record<string, unknown> {
  const wanted = Object.entries(resolved).filter(([key]) => which === 'all' || SETTINGS.get(key)?.scope !== 'device');
  return Object.fromEntries(wanted.map(([key, { value }]) => [key, value]));
}

function tagged<C extends object>(content: C): C & { readonly etag: string } {
  return { ...content, etag: etagOf(content) };
}
