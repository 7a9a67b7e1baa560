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
  clear(): void;
};

/** Whoever may not log in on a device at all may not offline either. */
const OFFLINE_SETTINGS = [...SETTINGS.keys()].filter(key => /^(?:agent\.offline|access)\./.test(key));

export function createSiteIndex(objects: Iterable<IndexedObject> = []): SiteIndex {
  const deviceGroups = new Map<string, Group>();
  const userGroups = new Map<string, Group>();
  const policies = new Map<string, Policy>();
  const profiles = new Map<string, Profile>();
  const byTarget = new Map<TargetSide, Map<TargetSide, Assignment[]>>();
  const byName = new Map<string, Assignment>();
  const filters = new Set<Filter>();

  const removeAssignment = (name: string): void => {
    const held = byName.get(name);
    if (held === undefined) return;
    byName.delete(name);
    if (held.where !== undefined) filters.delete(held.where);
    const byUser = byTarget.get(deviceSide(held.target));
    const list = byUser?.get(userSide(held.target));
    if (byUser === undefined || list === undefined) return;
    list.splice(list.indexOf(held), 1);
    if (list.length === 0) byUser.delete(userSide(held.target));
    if (byUser.size === 0) byTarget.delete(deviceSide(held.target));
  };

  const addAssignment = (assignment: Assignment): void => {
    byName.set(assignment.name, assignment);
    if (assignment.where !== undefined) filters.add(assignment.where);
    const byUser = byTarget.get(deviceSide(assignment.target)) ?? new Map<TargetSide, Assignment[]>();
    byTarget.set(deviceSide(assignment.target), byUser);
    const list = byUser.get(userSide(assignment.target)) ?? [];
    byUser.set(userSide(assignment.target), list);
    list.push(assignment);
  };

  const index: SiteIndex = {
    config: { deviceGroups, userGroups, policies, profiles, assignments: byTarget, filters },
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
