import {
  type AssignmentBody,
  canonicalJson,
  type DeviceBody,
  type FieldProblem,
  type ObjectKind,
  type RollbackKept,
  type RolloutBody,
} from '@thinman/protocol';
import { isOver, readRollout } from '../core/rollout.ts';
import type { ChangedSince, StoredObject } from '../ports.ts';
import { checkBody } from './check-body.ts';
import { isSpentToken } from './plan-delete.ts';
import { objectKey } from './read-inputs.ts';
import { referencesOf } from './references.ts';
import { isOfAnother, secretsFor } from './secrets.ts';

/** What administrators wrote: made again, changed back and deleted (ADR 0017). */
export const ROLLED_BACK: readonly ObjectKind[] = [
  'SiteSettings',
  'Directory',
  'DeviceGroup',
  'UserGroup',
  'User',
  'File',
  'Policy',
  'Profile',
  'Rollout',
  'Assignment',
];

/** Those, devices (their bodies are written back, they come and go by enrolment alone), and tokens, which may name a group. */
export const LOOKED_AT: readonly ObjectKind[] = [...ROLLED_BACK, 'Device', 'EnrollmentToken'];

type Body = Readonly<Record<string, unknown>>;

/** One object between then and now, and what is to become of it. */
export type RollbackDraft = {
  readonly kind: ObjectKind;
  readonly name: string;
  /** null: it does not exist. */
  readonly now: Body | null;
  readonly system: Body;
  /** null: it is to go. `as_now`: it stays, with `why` where it differs from then. */
  readonly wanted: Body | null | 'as_now';
  readonly why?: string;
  /** What is wrong today with what was written then. */
  readonly problems: readonly FieldProblem[];
};

export type RollbackChange = {
  readonly kind: ObjectKind;
  readonly name: string;
  readonly change: 'created' | 'updated' | 'deleted';
  readonly now: Body | null;
  readonly before: Body | null;
  readonly system: Body;
};

export type RollbackPlan =
  | {
      readonly kind: 'planned';
      readonly changes: readonly RollbackChange[];
      readonly kept: readonly RollbackKept[];
    }
  | { readonly kind: 'refused'; readonly problems: readonly FieldProblem[] };

/** What one object alone asks for; undefined: it is as it was, and names nothing that matters. */
export function draftRollback(
  { now: stored, before }: ChangedSince['items'][number],
  nowMs: number,
): RollbackDraft | undefined {
  const { kind, name } = stored;
  const now = stored.deleted ? null : stored.body;
  const draft = (wanted: RollbackDraft['wanted'], why?: string): RollbackDraft => {
    const reason = why === undefined ? {} : { why };
    if (wanted === null || wanted === 'as_now') {
      return { kind, name, now, system: stored.system, wanted, problems: [], ...reason };
    }
    const problems = checkBody(kind, name, wanted).map(problem => ({ ...problem, kind, name }));
    const { secrets: _sealedForAnother, ...others } = stored.system;
    const held = isOfAnother({ kind, name, body: wanted }, stored) ? others : stored.system;
    return { kind, name, now, system: secretsFor(kind, wanted, held, before?.system), wanted, problems };
  };
  switch (kind) {
    case 'EnrollmentToken':
      return now === null || isSpentToken(stored, nowMs) ? undefined : draft('as_now');
    case 'Device':
      if (now === null) {
        if (before === undefined) return undefined;
        return draft('as_now', 'is not made again: a deleted device is revoked, and has to be enrolled anew');
      }
      if (before === undefined) return draft('as_now', 'was enrolled since');
      return draftOfDiffering(now, withRevocation(before.body, now), draft);
    case 'Rollout':
      // How far it was is not in the history: it would begin anew, also one that was taken back for good reason.
      if (now === null) {
        if (before === undefined) return undefined;
        return draft('as_now', 'is not made again: it would begin anew; apply it where that is wanted');
      }
      return before === undefined ? draft(null) : draftOfDiffering(now, before.body, draftOfRollout(stored, draft));
    default:
      if (before === undefined) return now === null ? undefined : draft(null);
      return now === null ? draft(before.body) : draftOfDiffering(now, before.body, draft);
  }
}

function draftOfDiffering(now: Body, before: Body, draft: (wanted: Body) => RollbackDraft): RollbackDraft | undefined {
  return canonicalJson(now) === canonicalJson(before) ? undefined : draft(before);
}

/** A rollout that is over keeps nothing that it names. */
const isPast = ({ kind, name, now, system }: RollbackDraft) =>
  kind === 'Rollout' && isOver(readRollout(name, now, system));

/** As `apply` has it (ADR 0089): one that is over changes no more, and one that has begun is of one object to its end. */
function draftOfRollout(
  { name, body, system }: StoredObject,
  draft: (wanted: RollbackDraft['wanted'], why?: string) => RollbackDraft,
) {
  const rollout = readRollout(name, body, system);
  return (wanted: Body): RollbackDraft => {
    if (isOver(rollout)) return draft('as_now', `is over (${rollout.progress?.state})`);
    const isSame = canonicalJson((wanted as RolloutBody).of) === canonicalJson(rollout.body.of);
    if (rollout.progress === undefined || isSame) return draft(wanted);
    return draft('as_now', 'has begun since, and was of another object then: roll it back');
  };
}

/** Whether a device is trusted is no configuration: a rollback neither gives that back nor takes it. */
function withRevocation(before: Body, now: Body): Body {
  const { revoked: _then, ...body } = before as DeviceBody;
  const { revoked } = now as DeviceBody;
  return revoked === undefined ? body : { ...body, revoked };
}

/**
 * What a rollback would do. Everything that is named exists afterwards: what was made since and is named by something that
 * stays (a device enrolled since, a token) stays as well; an assignment to a device that is gone is left as it is now.
 */
export function planRollback(drafts: readonly RollbackDraft[]): RollbackPlan {
  const byKey = new Map(drafts.map(draft => [objectKey(draft.kind, draft.name), draft]));
  const settle = (draft: RollbackDraft, why: string) =>
    byKey.set(objectKey(draft.kind, draft.name), { ...draft, wanted: 'as_now', why });

  for (const draft of drafts) {
    const gone = goneDevice(draft, byKey);
    if (gone !== undefined) settle(draft, `would name the Device "${gone}", which is gone`);
  }
  const staying = [...byKey.values()].filter(
    draft => draft.wanted === 'as_now' && draft.now !== null && !isPast(draft),
  );
  for (let next = staying.pop(); next !== undefined; next = staying.pop()) {
    for (const { kind, name } of referencesOf(next.kind, next.now ?? {})) {
      const named = byKey.get(objectKey(kind, name));
      if (named === undefined || named.wanted !== null) continue;
      settle(named, `is named by the ${next.kind} "${next.name}", which stays`);
      staying.push(named);
    }
  }

  const settled = [...byKey.values()];
  const problems = settled.flatMap(draft => (draft.wanted === 'as_now' ? [] : draft.problems));
  if (problems.length > 0) return { kind: 'refused', problems };
  const kept = settled.flatMap(({ kind, name, wanted, why }) =>
    wanted === 'as_now' && why !== undefined ? [{ kind, name, why }] : [],
  );
  return { kind: 'planned', changes: settled.flatMap(changeOf), kept };
}

function goneDevice({ kind, wanted }: RollbackDraft, drafts: ReadonlyMap<string, RollbackDraft>): string | undefined {
  if (kind !== 'Assignment' || wanted === null || wanted === 'as_now') return undefined;
  const { device } = (wanted as AssignmentBody).to;
  // A device that no commit has touched since is there, as it was then.
  return device !== undefined && drafts.get(objectKey('Device', device))?.now === null ? device : undefined;
}

function changeOf({ kind, name, now, system, wanted }: RollbackDraft): readonly RollbackChange[] {
  if (wanted === 'as_now') return [];
  const change = now === null ? 'created' : wanted === null ? 'deleted' : 'updated';
  return [{ kind, name, change, now, before: wanted, system }];
}
