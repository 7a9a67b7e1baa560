import type { TSchema } from 'typebox';
import { AdministratorBody } from './administrator.ts';
import { AssignmentBody } from './assignment.ts';
import { DeviceBody } from './device.ts';
import { DirectoryBody } from './directory.ts';
import { EnrollmentTokenBody } from './enrollment-token.ts';
import { FileBody } from './file.ts';
import { DeviceGroupBody, UserGroupBody } from './group.ts';
import { PolicyBody } from './policy.ts';
import { ProfileBody } from './profile.ts';
import { RolloutBody } from './rollout.ts';
import { isSecret } from './secret.ts';
import { ServerBody } from './server.ts';
import { SiteSettingsBody } from './site-settings.ts';
import { UserBody } from './user.ts';

export * from './activation.ts';
export * from './administrator.ts';
export * from './assignment.ts';
export * from './device.ts';
export * from './directory.ts';
export * from './enrollment-token.ts';
export * from './file.ts';
export * from './group.ts';
export * from './policy.ts';
export * from './profile.ts';
export * from './rollout.ts';
export * from './secret.ts';
export * from './server.ts';
export * from './settings/index.ts';
export * from './site-settings.ts';
export * from './user.ts';

/** Every kind of object with the schema of its body, in the order in which references resolve. */
export const OBJECT_KINDS = {
  SiteSettings: SiteSettingsBody,
  Server: ServerBody,
  Administrator: AdministratorBody,
  Directory: DirectoryBody,
  DeviceGroup: DeviceGroupBody,
  UserGroup: UserGroupBody,
  Device: DeviceBody,
  User: UserBody,
  File: FileBody,
  Policy: PolicyBody,
  Profile: ProfileBody,
  Assignment: AssignmentBody,
  Rollout: RolloutBody,
  EnrollmentToken: EnrollmentTokenBody,
} as const satisfies Record<string, TSchema>;

/** A kind of object. */
export type ObjectKind = keyof typeof OBJECT_KINDS;

/** Whether there is such a kind. */
export function isObjectKind(kind: string): kind is ObjectKind {
  return Object.hasOwn(OBJECT_KINDS, kind);
}

/** Kinds that `apply` does not create: `Device` comes from enrolment, `Server` from init and join, tokens from `token`. */
export const MADE_ELSEWHERE: readonly ObjectKind[] = ['Device', 'Server', 'EnrollmentToken'];

/** Fields at the top of a body whose values are secrets, by kind. */
const SECRET_FIELDS = new Map(
  Object.entries(OBJECT_KINDS).map(([kind, schema]) => {
    const properties: Readonly<Record<string, TSchema>> = schema.properties;
    return [kind, Object.keys(properties).filter(field => isSecret(properties[field] ?? {}))] as const;
  }),
);

/** Of an object of this kind. */
export function secretFieldsOf(kind: ObjectKind): readonly string[] {
  return SECRET_FIELDS.get(kind) ?? [];
}
