import type {
  AssignmentBody,
  DeviceBody,
  DeviceGroupBody,
  EnrollmentTokenBody,
  ObjectKind,
  ProfileBody,
  UserBody,
} from '@thinman/protocol';

/** One object named by another. `field` is the path from the top of the document. */
export type Reference = { readonly field: string; readonly kind: ObjectKind; readonly name: string };

/** Kinds whose objects can name an object of this kind: where to look before it is deleted. */
export const REFERRERS: Partial<Record<ObjectKind, readonly ObjectKind[]>> = {
  DeviceGroup: ['DeviceGroup', 'Device', 'Assignment', 'EnrollmentToken'],
  UserGroup: ['UserGroup', 'User', 'Assignment'],
  Device: ['Assignment'],
  User: ['Assignment'],
  Policy: ['Assignment'],
  Profile: ['Assignment'],
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
    case 'Administrator':
    case 'Directory':
    case 'Policy':
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
