import {
  type AgentTimings,
  type BundleFile,
  DEFAULT_AGENT_TIMINGS,
  type DeviceBody,
  type DeviceBundle,
  type DeviceSystem,
  SETTINGS,
  TIMING_SETTINGS,
  type UserBody,
  type UserBundle,
} from '@thinman/protocol';
import { type Access, accessOf } from '../core/access.ts';
import { fillPolicy, fillProfile } from '../core/fill-in.ts';
import { matchingAssignments } from '../core/matching.ts';
import { type ResolvedPolicy, resolvePolicy } from '../core/resolve-policy.ts';
import { resolveProfile } from '../core/resolve-profile.ts';
import { CANNOT_OPEN, type OpenSecrets, openSecrets } from '../core/sealed.ts';
import { filesIn } from '../core/staged-index.ts';
import { subjectOf, variablesOf } from '../core/subject.ts';
import type { Replica, StoredObject } from '../ports.ts';
import type { DirectoryUserSystem } from './directory-user.ts';
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
  /** Where, when and how often the user may log in there. */
  access(device: StoredObject, user: StoredObject): Access;
  /** The content with the version of the replica that answers. */
  versioned<C extends DeviceContent | UserContent>(content: C): C & Pick<DeviceBundle, 'version'>;
};

type UserAnswer = { readonly content: UserContent; readonly access: Access };

/** Bundles remembered: at ~4 kB each, 80 MB at most; beyond, the oldest are computed anew (well below a millisecond). */
const MAX_REMEMBERED = 20_000;

/** `open`: as the site data key does. `emergencyKey`: of a device, as its bundle has it. */
export function createBundles(
  site: SiteView,
  replica: Pick<Replica, 'site'>,
  open: OpenSecrets,
  emergencyKey: (device: StoredObject) => string,
): Bundles {
  const remember = <T>() => createMemo<T>(() => site.revision(), MAX_REMEMBERED);
  const devices = remember<DeviceContent>();
  const users = remember<UserAnswer>();
  const ofUser = (device: StoredObject, user: StoredObject) =>
    users(`${stamp(device)} ${stamp(user)}`, () => userContent(site, device, user, open));
  return {
    device: device => devices(stamp(device), () => deviceContent(site, device, open, emergencyKey(device))),
    user: (device, user) => ofUser(device, user).content,
    access: (device, user) => ofUser(device, user).access,
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

function deviceContent(site: SiteView, device: StoredObject, open: OpenSecrets, emergencyKey: string): DeviceContent {
  const { group } = device.body as DeviceBody;
  const { wipe } = device.system as Partial<DeviceSystem>;
  const { settings, profile } = resolved(site, device);
  const values = valuesOf(settings, open);
  return tagged({
    device: { id: device.uid, name: device.name, group: group ?? null },
    settings: values,
    ...filesOf(site, values),
    profile: { connections: [...profile.connections] },
    timings: timingsOf(site.settings().agent, settings),
    emergencyKey,
    ...(wipe !== undefined && { wipe: wipe.number }),
  });
}

/** Device-only settings are in the device's own bundle: here they would only make this one change more often. */
function userContent(site: SiteView, device: StoredObject, user: StoredObject, open: OpenSecrets): UserAnswer {
  const body = user.body as UserBody;
  const { config, subject, settings, profile } = resolved(site, device, user);
  const access = accessOf(config, subject, settings);
  const values = valuesOf(ofUsers(settings), open);
  const content = tagged({
    user: { id: user.uid, name: user.name, displayName: body.displayName ?? null, groups: [...(body.groups ?? [])] },
    settings: values,
    ...filesOf(site, values),
    profile: { connections: [...profile.connections] },
    offline: offlineRules(site, body, settings, access, (user.system as DirectoryUserSystem).directoryHours),
  });
  return { content, access };
}

/** What holds there, with its variables filled in. */
function resolved(site: SiteView, device: StoredObject, user?: StoredObject) {
  const config = site.configFor((device.body as DeviceBody).group);
  const subject = subjectOf(device, user);
  const matches = matchingAssignments(config, subject);
  const variables = variablesOf(site.settings().siteName, device, user);
  return {
    ...{ config, subject },
    settings: fillPolicy(resolvePolicy(config, subject, matches), variables),
    profile: fillProfile(resolveProfile(config, subject, matches), variables),
  };
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

function ofUsers(settings: ResolvedPolicy): ResolvedPolicy {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => SETTINGS.get(key)?.scope !== 'device'));
}

/** A setting whose secret this server cannot open is none: half of it (a network without its passphrase) would be another one. */
function valuesOf(settings: ResolvedPolicy, open: OpenSecrets): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, { value, leftOut }] of Object.entries(settings)) {
    if (leftOut !== undefined) continue;
    const opened = openSecrets(value, open);
    if (opened !== CANNOT_OPEN) values[key] = opened;
  }
  return values;
}

function timingsOf(ofSite: Partial<AgentTimings> | undefined, settings: ResolvedPolicy): AgentTimings {
  const timings: AgentTimings = { ...DEFAULT_AGENT_TIMINGS, ...ofSite };
  for (const [key, name] of TIMING_SETTINGS) {
    const value = settings[key]?.value;
    if (typeof value === 'number') timings[name] = value;
  }
  return timings;
}

function tagged<C extends object>(content: C): C & { readonly etag: string } {
  return { ...content, etag: etagOf(content) };
}
