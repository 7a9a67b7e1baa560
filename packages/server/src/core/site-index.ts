import {
  type AssignmentBody,
  type AssignmentTarget,
  flattenSettings,
  type ObjectKind,
  type PolicyBody,
  type ProfileBody,
  SETTINGS,
} from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';
import { compileFilter, type Filter } from './filter.ts';
import { withSealed } from './sealed.ts';
import {
  type Assignment,
  deviceSide,
  type Group,
  type Policy,
  type Profile,
  type SiteConfig,
  type TargetSide,
  userSide,
} from './site-config.ts';

/** Kinds that resolution rests on. A change of any other kind changes no bundle but that of the object itself. */
export const CONFIG_KINDS = ['DeviceGroup', 'UserGroup', 'Policy', 'Profile', 'Assignment'] as const;
export type ConfigKind = (typeof CONFIG_KINDS)[number];

export function isConfigKind(kind: ObjectKind): kind is ConfigKind {
  return (CONFIG_KINDS as readonly ObjectKind[]).includes(kind);
}

/** `system` is read of policies alone: their secrets. */
export type IndexedObject = Pick<StoredObject, 'kind' | 'name' | 'body' | 'deleted'> & {
  readonly system?: StoredObject['system'];
};

/** Keeps a SiteConfig in step with the objects, one object at a time. Bodies were validated when they were applied. */
export type SiteIndex = {
  readonly config: SiteConfig;
  /** Puts in, replaces, or (a tombstone) takes out. Objects of other kinds are passed over. */
  update(object: IndexedObject): void;
  /** Targets of the assignments that this object is, or that use it, as the index has them. */
  targetsOf(object: Pick<StoredObject, 'kind' | 'name'>): readonly AssignmentTarget[];
  /** Whether this object says who may log in offline: devices are told that of users who are only cached there. */
  saysOffline(object: Pick<StoredObject, 'kind' | 'name'>): boolean;
  /**
   * The same with some objects that are others, for as long as this one is not changed: what is read of the rest is shared, so that it
   * costs next to nothing at a site of 100,000 assignments. Groups cannot be others.
   */
  with(objects: Iterable<IndexedObject>): SiteReading;
  clear(): void;
};

/** An index that is only read. */
export type SiteReading = Pick<SiteIndex, 'config' | 'targetsOf' | 'saysOffline'>;

/** What an index has read. */
type Held = {
  readonly deviceGroups: Map<string, Group>;
  readonly userGroups: Map<string, Group>;
  readonly policies: Map<string, Policy>;
  readonly profiles: Map<string, Profile>;
  readonly byTarget: Map<TargetSide, Map<TargetSide, Assignment[]>>;
  readonly byName: Map<string, Assignment>;
  readonly filters: Set<Filter>;
};

/** Whoever may not log in on a device at all may not offline either. */
const OFFLINE_SETTINGS = [...SETTINGS.keys()].filter(key => /^(?:agent\.offline|access)\./.test(key));

export function createSiteIndex(objects: Iterable<IndexedObject> = []): SiteIndex {
  const nothing: Held = {
    ...{ deviceGroups: new Map(), userGroups: new Map(), policies: new Map(), profiles: new Map() },
    ...{ byTarget: new Map(), byName: new Map(), filters: new Set() },
  };
  return indexOver(nothing, false, objects);
}

/** `isShared`: the assignments are another index's, and nothing of them may be changed in place. */
function indexOver(held: Held, isShared: boolean, objects: Iterable<IndexedObject>): SiteIndex {
  const { deviceGroups, userGroups, policies, profiles } = held;
  let { byTarget, byName, filters } = held;
  let isCopied = !isShared;

  const beforeChange = (): void => {
    if (isCopied) return;
    isCopied = true;
    [byTarget, byName, filters] = [new Map(byTarget), new Map(byName), new Set(filters)];
  };

  /** Those on one target, to be changed. */
  const listOn = (target: AssignmentTarget) => {
    const [device, user] = [deviceSide(target), userSide(target)];
    const known = byTarget.get(device);
    const byUser = known === undefined || isShared ? new Map(known) : known;
    byTarget.set(device, byUser);
    const listed = byUser.get(user);
    const list = listed === undefined || isShared ? [...(listed ?? [])] : listed;
    byUser.set(user, list);
    return { list, byUser };
  };

  const removeAssignment = (name: string): void => {
    const removed = byName.get(name);
    if (removed === undefined) return;
    byName.delete(name);
    if (removed.where !== undefined) filters.delete(removed.where);
    const { list, byUser } = listOn(removed.target);
    list.splice(list.indexOf(removed), 1);
    if (list.length === 0) byUser.delete(userSide(removed.target));
    if (byUser.size === 0) byTarget.delete(deviceSide(removed.target));
  };

  const addAssignment = (assignment: Assignment): void => {
    byName.set(assignment.name, assignment);
    if (assignment.where !== undefined) filters.add(assignment.where);
    listOn(assignment.target).list.push(assignment);
  };

  const index: SiteIndex = {
    config: {
      ...{ deviceGroups, userGroups, policies, profiles },
      get assignments() {
        return byTarget;
      },
      get filters() {
        return filters;
      },
    },
    update({ kind, name, body, system, deleted }) {
      if (!isConfigKind(kind)) return;
      switch (kind) {
        case 'DeviceGroup':
          return deleted ? void deviceGroups.delete(name) : void deviceGroups.set(name, body as Group);
        case 'UserGroup':
          return deleted ? void userGroups.delete(name) : void userGroups.set(name, body as Group);
        case 'Policy':
          return deleted
            ? void policies.delete(name)
            : void policies.set(name, readPolicy(name, withSealed(name, body, system) as PolicyBody));
        case 'Profile':
          return deleted
            ? void profiles.delete(name)
            : void profiles.set(name, { name, connections: (body as ProfileBody).connections });
        case 'Assignment':
          beforeChange();
          removeAssignment(name);
          if (!deleted) addAssignment(readAssignment(name, body as AssignmentBody));
          return;
        default:
          return kind satisfies never;
      }
    },
    targetsOf({ kind, name }) {
      const concerned = [...byName.values()].filter(assignment => {
        if (kind === 'Policy') return assignment.policy === name;
        if (kind === 'Profile') return assignment.profile === name;
        return kind === 'Assignment' && assignment.name === name;
      });
      return concerned.map(({ target }) => target);
    },
    saysOffline({ kind, name }) {
      const policy = kind === 'Policy' ? name : kind === 'Assignment' ? byName.get(name)?.policy : undefined;
      const settings = policy === undefined ? undefined : policies.get(policy)?.settings;
      return OFFLINE_SETTINGS.some(key => settings?.has(key) === true);
    },
    with: others =>
      indexOver(
        { ...held, byTarget, byName, filters, policies: new Map(policies), profiles: new Map(profiles) },
        true,
        others,
      ),
    clear() {
      for (const map of [deviceGroups, userGroups, policies, profiles, byTarget, byName]) map.clear();
      filters.clear();
    },
  };
  for (const object of objects) index.update(object);
  return index;
}

function readPolicy(name: string, body: PolicyBody): Policy {
  return {
    name,
    scope: body.scope ?? 'both',
    settings: flattenSettings(body.settings).known,
    enforced: new Set(body.enforced),
  };
}

function readAssignment(name: string, body: AssignmentBody): Assignment {
  const { policy, profile, to, where, priority = 0 } = body;
  return {
    name,
    target: to,
    priority,
    ...(where !== undefined && { where: compileFilter(where) }),
    ...(policy !== undefined && { policy }),
    ...(profile !== undefined && { profile }),
  };
}
