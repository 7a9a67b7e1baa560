import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ApplyAnswer, secretsIn, type Version } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { CommitTransaction } from '../ports.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, refusalUnlessPrimary, type Touched, type Work, withinDatabaseDeadline } from './commit.ts';
import { type PasswordsWorked, workPasswords } from './credentials.ts';
import { dataKeyIn } from './data-key-in.ts';
import { lackingContents } from './files.ts';
import { passedMoments } from './passed-moments.ts';
import { type ApplyPlan, type PlannedObject, planApply } from './plan-apply.ts';
import { type InputsRead, readInputs } from './read-inputs.ts';
import { loadSiteView, replicaReader, type SiteReader } from './site-view.ts';
import { untoldFields } from './untold-fields.ts';

/** A credential that another administrator changes between hashing and commit: tried again so many times. */
const MAX_TRIES = 3;

const NO_PASSWORDS: PasswordsWorked = new Map();

/**
 * Applies objects, all or nothing, in one commit; or (`dryRun`, on any server) says what would change. Passwords are
 * hashed before the site row is locked; everything else is decided under its lock, against the source of record.
 */
export async function apply(
  deps: WriteDeps,
  actor: Actor,
  objects: readonly unknown[],
  dryRun = false,
): Promise<Outcome<ApplyAnswer>> {
  const read = readInputs(objects);
  if (dryRun) return dryApply(deps, read);
  const notHere = refusalUnlessPrimary(deps);
  if (notHere !== undefined) return notHere;

  const refusal = await refusedBeforehand(deps, read);
  if (refusal !== undefined) return refusal;
  if ((await withinDatabaseDeadline(deps.clock, deps.record.site())) === 'late') {
    return refused('database_unavailable', { detail: 'The database does not answer. Nothing was changed.' });
  }
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    const passwords = await workPasswordsOf(deps, read, false);
    const outcome = await commit(deps, actor, transaction => applyIn(deps, transaction, read, passwords));
    if (!outcome.ok) return outcome;
    const { version, result: plan } = outcome.value;
    if (plan.kind === 'planned') return done(answer(version, plan.items, deps.clock.nowMs()));
    if (plan.kind === 'refused') return refusedBy(plan);
    await deps.syncNow();
  }
  return refused('conflict', { detail: 'The passwords are being changed by somebody else at this moment: try again.' });
}

/** The work of the one commit. */
async function applyIn(
  deps: WriteDeps,
  transaction: CommitTransaction,
  read: InputsRead,
  passwords: PasswordsWorked,
): Promise<Work<ApplyPlan>> {
  const plan = await planOn(deps, transaction, read, passwords);
  if (plan.kind !== 'planned') return { result: plan, touched: [] };
  const lacking = await lackingContents(transaction, plan.items);
  if (lacking.length > 0) {
    return { result: { kind: 'refused', code: 'invalid_object', problems: lacking, conflicts: [] }, touched: [] };
  }
  const touched: Touched[] = [];
  for (const { kind, name, change, body, system } of plan.items) {
    if (change === 'unchanged') continue;
    await transaction.put(kind, name, body, system);
    touched.push({ kind, name, change });
  }
  if (touched.some(({ kind }) => kind === 'Server' || kind === 'Directory')) await deps.restate(transaction);
  return { result: plan, touched };
}

async function planOn(deps: WriteDeps, reader: SiteReader, read: InputsRead, passwords: PasswordsWorked) {
  // A large apply works for a good while in this thread: devices are answered between two stages of it.
  await nextTurn();
  const view = await loadSiteView(reader, read.inputs);
  await nextTurn();
  const hasSecrets = read.inputs.some(({ kind, body }) => secretsIn(kind, body).length > 0);
  const sealer = hasSecrets ? await dataKeyIn(deps, reader) : deps.dataKey;
  return planApply(read, view, { passwords, sealer, nowMs: deps.clock.nowMs() });
}

/** Mistakes are found on the replica first, so that no password is hashed for an `apply` that is refused anyway. */
async function refusedBeforehand(deps: WriteDeps, read: InputsRead): Promise<Outcome<never> | undefined> {
  const reader = replicaReader(deps.replica);
  let plan = await planOn(deps, reader, read, NO_PASSWORDS);
  if (plan.kind !== 'refused') return undefined;
  await deps.syncNow();
  plan = await planOn(deps, reader, read, NO_PASSWORDS);
  return plan.kind === 'refused' ? refusedBy(plan) : undefined;
}

async function dryApply(deps: WriteDeps, read: InputsRead): Promise<Outcome<ApplyAnswer>> {
  const position = deps.replica.position();
  if (position === undefined) return refused('not_serving');
  const reader = replicaReader(deps.replica);
  const first = await planOn(deps, reader, read, NO_PASSWORDS);
  const plan =
    first.kind === 'stale_passwords'
      ? await planOn(deps, reader, read, await workPasswordsOf(deps, read, true))
      : first;
  switch (plan.kind) {
    case 'planned':
      return done(answer(position.version, plan.items, deps.clock.nowMs()));
    case 'refused':
      return refusedBy(plan);
    case 'stale_passwords':
      return refused('conflict', { detail: 'The site is being changed at this moment: try again.' });
  }
}

/** What an apply would do, by the replica: passwords are left out, which change nothing of what devices are given. */
export async function planWithoutPasswords(
  deps: WriteDeps,
  objects: readonly unknown[],
): Promise<Outcome<readonly PlannedObject[]>> {
  const { inputs, ...read } = readInputs(objects);
  const without = inputs.map(input => {
    const { password: _password, ...body } = input.body;
    return { ...input, body };
  });
  const plan = await planOn(deps, replicaReader(deps.replica), { ...read, inputs: without }, NO_PASSWORDS);
  switch (plan.kind) {
    case 'planned':
      return done(plan.items);
    case 'refused':
      return refusedBy(plan);
    case 'stale_passwords':
      throw new Error('a plan without passwords asked for one');
  }
}

function workPasswordsOf(deps: WriteDeps, read: InputsRead, tryOnly: boolean): Promise<PasswordsWorked> {
  const { hasher, identity, replica } = deps;
  const held = (kind: Parameters<typeof replica.get>[0], name: string) => replica.get(kind, name);
  return workPasswords(read.inputs, held, { hasher, siteId: identity.siteId, tryOnly });
}

function refusedBy({ code, problems, conflicts }: Extract<ApplyPlan, { kind: 'refused' }>): Outcome<never> {
  const detail = problems.length === 1 ? 'Nothing was changed.' : `${problems.length} mistakes; nothing was changed.`;
  const both = conflicts.length === 0 ? {} : { conflicts: [...conflicts] };
  return refused(code, { detail, problems: [...problems], ...both });
}

/** What people are to know of it, though nothing speaks against it. */
export const warningsOf = (items: readonly PlannedObject[], nowMs: number): readonly string[] => [
  ...passedMoments(items, nowMs),
  ...untoldFields(items),
];

function answer({ epoch, generation }: Version, items: readonly PlannedObject[], nowMs: number): ApplyAnswer {
  const changes = items.map(({ kind, name, change }) => ({ kind, name, change }));
  const warnings = warningsOf(items, nowMs);
  return { epoch, generation, changes, ...(warnings.length > 0 && { warnings: [...warnings] }) };
}
