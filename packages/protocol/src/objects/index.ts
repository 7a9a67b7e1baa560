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
import { holdsSecrets, type SecretPlace, secretPlaces } from './secret-places.ts';
import { ServerBody } from './server.ts';
import { SETTINGS } from './settings/index.ts';
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
export * from './login-hours.ts';
export * from './policy.ts';
export * from './profile.ts';
export * from './rollout.ts';
export * from './secret.ts';
export * from './secret-places.ts';
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

/** The secrets in a body of this kind: at its top, and among the settings of a policy. */
export function secretsIn(kind: ObjectKind, body: Readonly<Record<string, unknown>>): readonly SecretPlace[] {
  if (kind === 'Policy') return secretsInSettings(body.settings, ['settings']);
  if (kind === 'Rollout') return secretsInRollout(body);
  const properties: Readonly<Record<string, TSchema>> = OBJECT_KINDS[kind].properties;
  return Object.entries(properties).flatMap(([key, schema]) =>
    isSecret(schema) ? secretPlaces(schema, body[key], key, [key]) : [],
  );
}

/** Those of the policy that it gives a new body, under the names that they have there. */
function secretsInRollout({ of, to }: Readonly<Record<string, unknown>>): readonly SecretPlace[] {
  const { policy } = (of ?? {}) as Readonly<Record<string, unknown>>;
  const { settings } = (to ?? {}) as Readonly<Record<string, unknown>>;
  return policy === undefined ? [] : secretsInSettings(settings, ['to', 'settings']);
}

/** Settings may be written nested or dotted: the stored name of a secret is the same. */
function secretsInSettings(settings: unknown, path: readonly string[], key = ''): readonly SecretPlace[] {
  const setting = SETTINGS.get(key);
  if (setting !== undefined) return secretPlaces(setting.schema, settings, key, path);
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) return [];
  return Object.entries(settings).flatMap(([name, inner]) =>
    secretsInSettings(inner, [...path, name], key === '' ? name : `${key}.${name}`),
  );
}

/** Whether objects of this kind can have secrets. */
export function canHaveSecrets(kind: ObjectKind): boolean {
  return kind === 'Policy' || kind === 'Rollout' || holdsSecrets(OBJECT_KINDS[kind]);
}
