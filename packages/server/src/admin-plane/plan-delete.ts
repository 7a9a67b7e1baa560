import type { Conflict, EnrollmentTokenBody, EnrollmentTokenSystem, FieldProblem, ObjectKind } from '@thinman/protocol';
import { isOver, readRollout } from '../core/rollout.ts';
import type { StoredObject } from '../ports.ts';
import { conflictOf } from './conflict.ts';
import { losesLastOwner } from './owners.ts';
import { REFERRERS, referencesOf } from './references.ts';
import type { SiteReader } from './site-view.ts';

export type DeletePlan =
  | { readonly kind: 'delete'; readonly stored: StoredObject }
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'refused';
      readonly code: 'invalid_object' | 'conflict';
      readonly problems: readonly FieldProblem[];
      readonly conflicts?: readonly Conflict[];
    };

export type Deletion = {
  readonly kind: ObjectKind;
  readonly name: string;
  /** Must be the stored one, where given. */
  readonly generation?: number;
};

/** Referrers named in a refusal; the rest are counted. */
const MAX_REFERRERS_NAMED = 20;

/** Whether one object may go: nothing names it any more, and somebody can still administer. */
export async function planDelete(
  deletion: Deletion,
  reader: SiteReader,
  primaryInstance: string | undefined,
  nowMs: number,
): Promise<DeletePlan> {
  const { kind, name, generation } = deletion;
  const stored = await reader.get(kind, name);
  if (stored === undefined || stored.deleted) return { kind: 'absent' };
  const refuse = (messages: readonly string[]): DeletePlan => ({
    kind: 'refused',
    code: 'invalid_object',
    problems: messages.map(message => ({ field: '', message, kind, name })),
  });
  if (generation !== undefined && generation !== stored.generation) {
    const message = `was read at generation ${generation}, and it is now at generation ${stored.generation}`;
    const problems = [{ field: '', message, kind, name }];
    return { kind: 'refused', code: 'conflict', problems, conflicts: [conflictOf({ kind, name, generation }, stored)] };
  }
  if (kind === 'Server' && stored.system.instance === primaryInstance) {
    return refuse(['is the Primary: it cannot be deleted']);
  }
  if (kind === 'Administrator') {
    const before = (await reader.list('Administrator')).map(other => ({
      name: other.name,
      body: other.body,
      hasPassword: other.system.passwordHash !== undefined,
    }));
    const after = before.filter(other => other.name !== name);
    if (losesLastOwner(before, after)) {
      return refuse(['is the last owner who can log in: make another owner first']);
    }
  }
  const referrers = await referrersOf(kind, name, reader, nowMs);
  return referrers.length === 0 ? { kind: 'delete', stored } : refuse(tellReferrers(referrers));
}

async function referrersOf(
  kind: ObjectKind,
  name: string,
  reader: SiteReader,
  nowMs: number,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const referrer of REFERRERS[kind] ?? []) {
    for (const object of await reader.list(referrer)) {
      if (isSpentToken(object, nowMs) || isOverRollout(object)) continue;
      const names = referencesOf(object.kind, object.body).find(to => to.kind === kind && to.name === name);
      if (names !== undefined) found.push(`${object.kind} "${object.name}" names it (${names.field})`);
    }
  }
  return found;
}

/** It changes nothing any more. */
export function isOverRollout({ kind, name, body, system }: StoredObject): boolean {
  return kind === 'Rollout' && isOver(readRollout(name, body, system));
}

/** Nobody can enrol with it any more: what it names matters to nobody. */
export function isSpentToken({ kind, body, system }: StoredObject, nowMs: number): boolean {
  if (kind !== 'EnrollmentToken') return false;
  const { uses, expiresAt } = body as EnrollmentTokenBody;
  return (system as EnrollmentTokenSystem).used >= uses || Date.parse(expiresAt) <= nowMs;
}

function tellReferrers(referrers: readonly string[]): readonly string[] {
  const named = referrers.slice(0, MAX_REFERRERS_NAMED).map(referrer => `is still in use: ${referrer}`);
  const more = referrers.length - named.length;
  return more > 0 ? [...named, `is still in use: ${more} more objects name it`] : named;
}
