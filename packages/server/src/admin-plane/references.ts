import {
  type AssignmentBody,
  type DeviceBody,
  type DeviceGroupBody,
  type EnrollmentTokenBody,
  flattenSettings,
  type ObjectKind,
  type PolicyBody,
  type ProfileBody,
  type RolloutBody,
  type UserBody,
} from '@thinman/protocol';
import { subjectOf } from '../core/rollout.ts';
import { filesIn } from '../core/staged-index.ts';

/** One object named by another. `field` is the path from the top of the document. */
export type Reference = { readonly field: string; readonly kind: ObjectKind; readonly name: string };

/** Kinds whose objects can name an object of this kind: where to look before it is deleted. */
export const REFERRERS: Partial<Record<ObjectKind, readonly ObjectKind[]>> = {
  DeviceGroup: ['DeviceGroup', 'Device', 'Assignment', 'EnrollmentToken', 'Rollout'],
  UserGroup: ['UserGroup', 'User', 'Assignment', 'Rollout'],
  Device: ['Assignment', 'Rollout'],
  User: ['Assignment', 'Rollout'],
  File: ['Policy', 'Rollout'],
  Policy: ['Assignment', 'Rollout'],
  Profile: ['Assignment', 'Rollout'],
  Assignment: ['Rollout'],
};

/** Every object that this (valid) body names. */
export function referencesOf(kind: ObjectKind, body: Readonly<Record<string, unknown>>): readonly Reference[] {
  switch (kind) {
    case 'DeviceGroup':
    case 'UserGroup':
      return one('body.parent', kind, (body as DeviceGroupBody).parent);
    case 'Device':
      return one('body.group', 'DeviceGroup', (body as DeviceBody).group);
    case 'EnrollmentToken':
      return one('body.group', 'DeviceGroup', (body as EnrollmentTokenBody).group);
    case 'User':
      return ((body as UserBody).groups ?? []).map((name, at) => ({
        field: `body.groups.${at}`,
        kind: 'UserGroup',
        name,
      }));
    case 'Assignment':
      return ofAssignment(body as AssignmentBody);
    case 'Policy':
      return ofPolicy(body as PolicyBody);
    case 'Rollout':
      return ofRollout(body as RolloutBody);
    case 'Administrator':
    case 'Directory':
    case 'File':
    case 'Profile':
    case 'Server':
    case 'SiteSettings':
      return [];
  }
}

function one(field: string, kind: ObjectKind, name: string | undefined): readonly Reference[] {
  return name === undefined ? [] : [{ field, kind, name }];
}

function ofAssignment({ policy, profile, to }: AssignmentBody): readonly Reference[] {
  return [
    ...one('body.policy', 'Policy', policy),
    ...one('body.profile', 'Profile', profile),
    ...one('body.to.deviceGroup', 'DeviceGroup', to.deviceGroup),
    ...one('body.to.device', 'Device', to.device),
    ...one('body.to.userGroup', 'UserGroup', to.userGroup),
    ...one('body.to.user', 'User', to.user),
  ];
}

/** Whether other profiles have to be looked at. */
export function hasOuterFallback({ connections }: ProfileBody): boolean {
  const own = new Set(connections.map(({ name }) => name));
  return connections.some(({ fallback }) => fallback !== undefined && !own.has(fallback));
}

function ofPolicy({ settings }: PolicyBody): readonly Reference[] {
  return Array.from(flattenSettings(settings).known, ([key, value]) =>
    filesIn([[key, value]]).map(name => ({ field: `body.settings.${key}`, kind: 'File' as const, name })),
  ).flat();
}

function ofRollout({ of, to, stages }: RolloutBody): readonly Reference[] {
  const subject = subjectOf(of);
  const named = subject === undefined ? [] : referencesOf(subject.kind, to);
  return [
    ...one('body.of.policy', 'Policy', of.policy),
    ...one('body.of.profile', 'Profile', of.profile),
    ...one('body.of.assignment', 'Assignment', of.assignment),
    ...named.map(reference => ({ ...reference, field: reference.field.replace('body', 'body.to') })),
    ...stages.flatMap(({ deviceGroups }, stage) =>
      deviceGroups.flatMap((name, at) => one(`body.stages.${stage}.deviceGroups.${at}`, 'DeviceGroup', name)),
    ),
  ];
}
