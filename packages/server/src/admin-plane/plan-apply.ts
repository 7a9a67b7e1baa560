import {
  type Conflict,
  canonicalJson,
  type FieldProblem,
  MADE_ELSEWHERE,
  newNameProblem,
  type ObjectKind,
  type RolloutBody,
} from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';
import { conflictOf, MAX_CONFLICTS_SHOWN } from './conflict.ts';
import { checkContradictions } from './contradictions.ts';
import { credentialFingerprint, hasPassword, type PasswordsWorked, withCredential } from './credentials.ts';
import { circleOf } from './group-cycles.ts';
import { losesLastOwner } from './owners.ts';
import { present } from './present.ts';
import { at, type InputsRead, objectKey } from './read-inputs.ts';
import { referencesOf } from './references.ts';
import { checkBegun, checkRollouts } from './rollout-clashes.ts';
import { type Sealer, takeSecrets } from './secrets.ts';
import type { SiteView, ValidInput } from './site-view.ts';

/** What becomes of one input. */
export type PlannedObject = {
  readonly index: number;
  readonly kind: ObjectKind;
  readonly name: string;
  readonly change: 'created' | 'updated' | 'unchanged';
  readonly body: Record<string, unknown>;
  readonly system: Record<string, unknown>;
};

export type ApplyPlan =
  /** In the order of the inputs. */
  | { readonly kind: 'planned'; readonly items: readonly PlannedObject[] }
  /** Every mistake at once. `conflict`: nothing is wrong but stale generations. */
  | {
      readonly kind: 'refused';
      readonly code: 'invalid_object' | 'conflict';
      readonly problems: readonly FieldProblem[];
      /** Of the first stale ones; none where something is wrong as well. */
      readonly conflicts: readonly Conflict[];
    }
  /** A password was tried against a credential that is held no longer: try again against what is. */
  | { readonly kind: 'stale_passwords' };

export type PlanTools = {
  readonly passwords: PasswordsWorked;
  readonly sealer: Sealer;
  readonly nowMs: number;
};

/**
 * What an `apply` would do to the site as `view` has it, or all that speaks against it. Decides and does nothing: no IO,
 * and the same inputs in any order give the same plan.
 */
export function planApply(read: InputsRead, view: SiteView, tools: PlanTools): ApplyPlan {
  const drafts = draftsOf(read.inputs, view, tools);
  const invalid = [
    ...read.problems,
    ...drafts.flatMap(draft => [...draft.problems, ...checkWritable(draft)]),
    ...checkReferences(read, view),
    ...checkCircles(read.inputs, view),
    ...checkContradictions(read.inputs, view),
    ...checkRollouts(read.inputs, view),
    ...checkBegun(drafts),
    ...checkOwners(drafts, view),
  ];
  const stale = drafts.flatMap(checkGeneration);
  if (invalid.length + stale.length > 0) {
    const problems = [...invalid, ...stale].toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0));
    if (invalid.length > 0) return { kind: 'refused', code: 'invalid_object', problems, conflicts: [] };
    return { kind: 'refused', code: 'conflict', problems, conflicts: conflictsOf(drafts) };
  }
  if (drafts.some(draft => draft.stalePassword)) return { kind: 'stale_passwords' };
  return { kind: 'planned', items: drafts.map(plannedOf) };
}

/** An input beside what is stored, with password and secrets taken out of the body. */
type Draft = {
  readonly input: ValidInput;
  readonly stored: StoredObject | undefined;
  readonly body: Record<string, unknown>;
  readonly system: Record<string, unknown>;
  readonly differs: boolean;
  readonly stalePassword: boolean;
  readonly problems: readonly FieldProblem[];
};

/** In the order of the inputs. Rollouts rest on what the policies that they change hold after this very apply. */
function draftsOf(inputs: readonly ValidInput[], view: SiteView, tools: PlanTools): readonly Draft[] {
  const draft = (input: ValidInput, secrets: unknown = {}) =>
    draftOf(input, view.get(input.kind, input.name), tools, secrets as Readonly<Record<string, unknown>>);
  const policies = new Map<string, Draft>();
  for (const input of inputs) if (input.kind === 'Policy') policies.set(input.name, draft(input));
  return inputs.map(input => {
    const { policy } = input.kind === 'Rollout' ? (input.body as RolloutBody).of : {};
    // Secrets of a policy: there the new body may say of them that they are set.
    const { system } = (policy === undefined ? undefined : (policies.get(policy) ?? view.get('Policy', policy))) ?? {};
    return (input.kind === 'Policy' && policies.get(input.name)) || draft(input, system?.secrets);
  });
}

function draftOf(
  input: ValidInput,
  stored: StoredObject | undefined,
  tools: PlanTools,
  elsewhere: Readonly<Record<string, unknown>>,
): Draft {
  const taken = takeSecrets(input, stored, tools.sealer, elsewhere);
  const { secrets: _heldSecrets, ...others } = stored?.system ?? {};
  let system: Record<string, unknown> = taken.secrets === undefined ? others : { ...others, secrets: taken.secrets };
  let body: Record<string, unknown> = { ...taken.body };
  let newPassword = false;
  let stalePassword = false;
  if (hasPassword(input)) {
    const { password: _password, ...rest } = body;
    body = rest;
    const work = tools.passwords.get(input.index);
    stalePassword = work?.against !== credentialFingerprint(input.kind, stored);
    newPassword = work?.fits === false;
    if (work?.fresh !== undefined) system = withCredential(input.kind, system, work.fresh, tools.nowMs);
  }
  const differs =
    newPassword ||
    canonicalJson(body) !== canonicalJson(stored?.body) ||
    canonicalJson(taken.secrets ?? {}) !== canonicalJson(stored?.system.secrets ?? {});
  const problems = taken.missing.map(field =>
    at(input, `body.${field}`, 'says that a secret is set, but none is held: give the secret itself'),
  );
  return { input, stored, body, system, differs, stalePassword, problems };
}

function plannedOf({ input, stored, body, system, differs }: Draft): PlannedObject {
  const change = stored === undefined ? 'created' : differs ? 'updated' : 'unchanged';
  return { index: input.index, kind: input.kind, name: input.name, change, body, system };
}

const HOW_MADE: Partial<Record<ObjectKind, string>> = {
  Device: 'a device is made by enrolment (thinman token device, then thinman-agent enroll)',
  Server: 'a server is made by thinman-server init or join',
  EnrollmentToken: 'a token is made by thinman token',
};

function checkWritable({ input, stored }: Draft): readonly FieldProblem[] {
  if (stored === undefined) {
    const badName = newNameProblem(input.name);
    if (badName !== undefined) return [at(input, 'name', `cannot be used: ${badName}`)];
    if (!MADE_ELSEWHERE.includes(input.kind)) return [];
    return [at(input, 'name', `does not exist, and apply cannot create it: ${HOW_MADE[input.kind] ?? ''}`)];
  }
  // How far a rollout is moves by itself: what was read a moment ago is taken back, and says nothing.
  if (input.kind === 'Rollout' || input.status === undefined || isOfThis(input.status, present(stored).status))
    return [];
  return [at(input, 'status', 'is read-only and differs from what the server holds: leave it out')];
}

/** Lockouts of a user come and go by themselves too; and an older release may have said less. */
function isOfThis(given: unknown, held: unknown): boolean {
  if (typeof given !== 'object' || given === null || typeof held !== 'object' || held === null) return false;
  const known = new Map(Object.entries(held));
  return Object.entries(given).every(
    ([key, value]) => key === 'lockouts' || (known.has(key) && canonicalJson(value) === canonicalJson(known.get(key))),
  );
}

/** `generation: 0` says that it must not exist yet. */
function isStale({ input, stored }: Draft): boolean {
  return input.generation !== undefined && input.generation !== (stored?.generation ?? 0);
}

function conflictsOf(drafts: readonly Draft[]): readonly Conflict[] {
  return drafts
    .filter(isStale)
    .slice(0, MAX_CONFLICTS_SHOWN)
    .map(({ input, stored }) => conflictOf({ ...input, generation: input.generation ?? 0 }, stored));
}

function checkGeneration(draft: Draft): readonly FieldProblem[] {
  const { input, stored } = draft;
  if (!isStale(draft)) return [];
  const now = stored === undefined ? 'it does not exist now' : `it is now at generation ${stored.generation}`;
  const advice = 'get it again and repeat your change, or leave generation out to overwrite';
  return [at(input, 'generation', `was read at generation ${input.generation}, and ${now}: ${advice}`)];
}

function checkReferences({ inputs, mentioned }: InputsRead, view: SiteView): readonly FieldProblem[] {
  const exists = (kind: ObjectKind, name: string) =>
    mentioned.has(objectKey(kind, name)) || view.get(kind, name) !== undefined;
  return inputs.flatMap(input =>
    referencesOf(input.kind, input.body)
      .filter(({ kind, name }) => !exists(kind, name))
      .map(({ kind, name, field }) =>
        at(input, field, `names the ${kind} "${name}", which does not exist: create it, or apply it with this`),
      ),
  );
}

function checkCircles(inputs: readonly ValidInput[], view: SiteView): readonly FieldProblem[] {
  const groups = inputs.filter(({ kind }) => kind === 'DeviceGroup' || kind === 'UserGroup');
  const given = new Map(groups.map(group => [objectKey(group.kind, group.name), group.body]));
  const told = new Set<string>();
  const clear = { DeviceGroup: new Set<string>(), UserGroup: new Set<string>() };
  return groups.flatMap(group => {
    const parentOf = (name: string) =>
      (given.get(objectKey(group.kind, name)) ?? view.get(group.kind, name)?.body)?.parent as string | undefined;
    if (told.has(objectKey(group.kind, group.name))) return [];
    const circle = circleOf(group.name, parentOf, clear[group.kind as keyof typeof clear]);
    if (circle === undefined) return [];
    for (const name of circle) told.add(objectKey(group.kind, name));
    return [at(group, 'body.parent', `makes a circle: ${circle.join(' → ')}`)];
  });
}

function checkOwners(drafts: readonly Draft[], view: SiteView): readonly FieldProblem[] {
  const given = drafts.filter(({ input }) => input.kind === 'Administrator');
  const [first] = given;
  if (first === undefined) return [];
  const row = (object: Pick<StoredObject, 'name' | 'body' | 'system'>) => ({
    name: object.name,
    body: object.body,
    hasPassword: object.system.passwordHash !== undefined,
  });
  const before = view.list('Administrator').map(row);
  const names = new Set(given.map(({ input }) => input.name));
  const after = [
    ...before.filter(({ name }) => !names.has(name)),
    ...given.map(({ input, body, system }) => ({
      body,
      hasPassword: hasPassword(input) || system.passwordHash !== undefined,
    })),
  ];
  if (!losesLastOwner(before, after)) return [];
  return [at(first.input, 'body', 'takes away the last owner who can log in: make another owner first')];
}
