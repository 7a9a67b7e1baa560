import {
  type AssignmentBody,
  type DirectoryBody,
  type FieldProblem,
  type FileBody,
  kdfRefusal,
  OBJECT_KINDS,
  type ObjectKind,
  type PolicyBody,
  parseValue,
  type RolloutBody,
  SALT_BYTES,
  SITE_SETTINGS_NAME,
  type SiteSettingsBody,
} from '@thinman/protocol';
import { parseSubnet } from '../core/subnet.ts';
import { checkDirectory } from '../directory/check-directory.ts';
import { checkPolicy } from './check-policy.ts';
import { checkProfile } from './check-profile.ts';
import { checkActivation, checkFile, checkRollout } from './check-rollout.ts';

type Body = Readonly<Record<string, unknown>>;

/** Fields of each kind that hold a moment: the schema knows the form, the calendar is checked here. */
const MOMENTS: Partial<Record<ObjectKind, readonly string[]>> = {
  User: ['expiresAt', 'passwordExpiresAt', 'unlockedAt', 'sessionsNotBefore'],
  EnrollmentToken: ['expiresAt'],
};

/** Everything that is wrong with one object looked at alone: form, settings, contradictions. Fields begin with `body`. */
export function checkBody(kind: ObjectKind, name: string, body: Body): readonly FieldProblem[] {
  if (kind === 'Profile') return checkProfile(body);
  const parsed = parseValue(OBJECT_KINDS[kind], body);
  if (!parsed.ok) return parsed.problems.map(found => inBody(found.field, found.message));
  const moments = (MOMENTS[kind] ?? []).flatMap(field => checkMoment(field, body[field]));
  switch (kind) {
    case 'Policy':
      return checkPolicy(body as PolicyBody);
    case 'Assignment':
      return checkAssignment(body as AssignmentBody);
    case 'File':
      return checkFile(body as FileBody);
    case 'Rollout':
      return checkRollout(body as RolloutBody, checkBody);
    case 'SiteSettings':
      return checkSiteSettings(name, body as SiteSettingsBody);
    case 'Directory':
      return checkDirectory(body as DirectoryBody).map(({ field, message }) => inBody(field, message));
    default:
      return moments;
  }
}

function inBody(field: string, message: string): FieldProblem {
  return { field: field === '' ? 'body' : `body.${field}`, message };
}

function checkMoment(field: string, value: unknown): readonly FieldProblem[] {
  if (typeof value !== 'string' || !Number.isNaN(Date.parse(value))) return [];
  return [inBody(field, `"${value}" is not a moment that exists`)];
}

function checkAssignment({ policy, profile, to, where, activateAt }: AssignmentBody): readonly FieldProblem[] {
  const problems: FieldProblem[] = [...checkActivation(activateAt)];
  if (policy === undefined && profile === undefined) {
    problems.push(inBody('', 'names neither a policy nor a profile: give one of the two'));
  }
  if (policy !== undefined && profile !== undefined) {
    problems.push(inBody('', 'names a policy and a profile: make two assignments'));
  }
  const parts = Object.keys(to);
  if (parts.length === 0) {
    problems.push(inBody('to', 'is empty: give site: true, or one or more of deviceGroup, device, userGroup, user'));
  }
  if (to.site === true && parts.length > 1) {
    problems.push(inBody('to', 'has site: true and a narrower part: leave one of them out'));
  }
  if (where !== undefined && Object.keys(where).length === 0) {
    problems.push(inBody('where', 'is empty: give one or more of model, os, subnet, attribute, or leave it out'));
  }
  for (const [at, subnet] of (where?.subnet ?? []).entries()) {
    if (parseSubnet(subnet) === undefined) {
      problems.push(inBody(`where.subnet.${at}`, `"${subnet}" is not a network that exists, like 10.3.0.0/16`));
    }
  }
  return problems;
}

function checkSiteSettings(name: string, body: SiteSettingsBody): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (name !== SITE_SETTINGS_NAME) {
    problems.push({ field: 'name', message: `the one SiteSettings object is named "${SITE_SETTINGS_NAME}"` });
  }
  // Agents refuse such parameters: nobody whose password is set under them could log in.
  const refusal = body.kdf === undefined ? undefined : kdfRefusal(body.kdf, SALT_BYTES);
  if (refusal !== undefined) problems.push(inBody('kdf', `${refusal}: thin clients would refuse it`));
  const agent = body.agent ?? {};
  for (const [first, max] of [
    ['breakerFirstMs', 'breakerMaxMs'],
    ['allDownFirstMs', 'allDownMaxMs'],
  ] as const) {
    if ((agent[first] ?? 0) > (agent[max] ?? Number.POSITIVE_INFINITY)) {
      problems.push(inBody(`agent.${first}`, `is above agent.${max}`));
    }
  }
  return problems;
}
