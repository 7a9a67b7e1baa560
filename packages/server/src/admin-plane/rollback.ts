import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FieldProblem, RollbackAnswer, RollbackKept, RollbackRequest, Version } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { ChangedSince, CommitTransaction } from '../ports.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, refusalUnlessPrimary, type Work, withinDatabaseDeadline } from './commit.ts';
import { lackingContents } from './files.ts';
import { draftRollback, LOOKED_AT, planRollback, type RollbackChange, type RollbackDraft } from './plan-rollback.ts';
import { READ_WHOLE_ABOVE } from './site-view.ts';

/** Objects compared in one turn of the event loop: some ten milliseconds. */
const PAGE_SIZE = 500;
/** Others commit between reading and writing: read again so many times. */
const MAX_TRIES = 3;
/** A dry run shows the bodies of so many changes. */
const MAX_BODIES_SHOWN = 1000;

/**
 * Brings the site back to what it was at a generation, in one commit; or (`dryRun`, on any server) says what would change.
 * It is read without a lock, in pages; the commit is made only if the site is still as it was read.
 */
export async function rollbackSite(
  deps: WriteDeps,
  actor: Actor,
  { to, dryRun = false }: RollbackRequest,
): Promise<Outcome<RollbackAnswer>> {
  const notHere = dryRun ? undefined : refusalUnlessPrimary(deps);
  if (notHere !== undefined) return notHere;
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    const read = await readDrafts(deps, to);
    if (read === 'moved') continue;
    if (!read.ok) return read;
    const { version, drafts } = read.value;
    const plan = planRollback(drafts);
    if (plan.kind === 'refused') {
      const detail = 'What was written then is not accepted any more. Nothing was changed.';
      return refused('invalid_object', { detail, problems: [...plan.problems] });
    }
    const { changes, kept } = plan;
    if (dryRun || changes.length === 0) return done(answer(version, changes, kept, dryRun));
    const outcome = await commit(deps, actor, transaction => write(deps, transaction, version, changes));
    if (!outcome.ok) return outcome;
    const { result } = outcome.value;
    if (result === 'moved') continue;
    if (result !== 'done') return refused('invalid_object', { detail: 'Nothing was changed.', problems: [...result] });
    await deps.events.write('site.rollback', { to, actor: actor.name, ...outcome.value.version }).catch(() => {});
    return done(answer(outcome.value.version, changes, kept, false));
  }
  return refused('conflict', { detail: 'The site is being changed by others at this moment: try again.' });
}

type Read = { readonly version: Version; readonly drafts: readonly RollbackDraft[] };

/** All that differs from then, of one state of the site. `moved`: somebody committed between two pages. */
async function readDrafts(deps: WriteDeps, to: number): Promise<Outcome<Read> | 'moved'> {
  const drafts: RollbackDraft[] = [];
  let version: Version | undefined;
  let after: ChangedSince['next'];
  do {
    const asked = deps.record.changedSince(to, { kinds: LOOKED_AT, after, limit: PAGE_SIZE });
    const page = await withinDatabaseDeadline(deps.clock, asked);
    if (page === 'late') return refused('database_unavailable', { detail: 'The database does not answer.' });
    const wrong = outOfReach(to, page);
    if (wrong !== undefined) return refused('bad_request', { problems: [{ field: 'to', message: wrong }] });
    version ??= page.site.version;
    if (version.generation !== page.site.version.generation) return 'moved';
    for (const item of page.items) {
      const draft = draftRollback(item, deps.clock.nowMs());
      if (draft !== undefined) drafts.push(draft);
    }
    after = page.next;
    await nextTurn();
  } while (after !== undefined);
  return done({ version, drafts });
}

function outOfReach(to: number, { site, epoch }: ChangedSince): string | undefined {
  const { version, compactedGeneration } = site;
  if (to > version.generation) return `${to} is still to come: the site is at generation ${version.generation}`;
  if (epoch === undefined) return `${to} is before the history of this site begins`;
  if (epoch !== version.epoch) {
    return `${to} belongs to epoch ${epoch}, and the site is in epoch ${version.epoch}: a rollback stays within one epoch`;
  }
  if (to >= compactedGeneration) return undefined;
  return `${to} is too long ago: what was deleted up to generation ${compactedGeneration} is not known any more; single objects go back further (thinman rollback KIND NAME --to ${to})`;
}

async function write(
  deps: WriteDeps,
  transaction: CommitTransaction,
  version: Version,
  changes: readonly RollbackChange[],
): Promise<Work<'done' | 'moved' | readonly FieldProblem[]>> {
  const { epoch, generation } = transaction.version;
  if (epoch !== version.epoch || generation !== version.generation + 1) return { result: 'moved', touched: [] };
  const files = changes.flatMap(({ before, ...file }, index) =>
    before === null ? [] : [{ ...file, index, body: before }],
  );
  const lacking = await lackingContents(transaction, files);
  if (lacking.length > 0) return { result: lacking, touched: [] };
  for (const [kind, ofKind] of Map.groupBy(changes, change => change.kind)) {
    // Read at once, they are not read one by one.
    if (ofKind.length > READ_WHOLE_ABOVE) await transaction.list(kind);
    for (const { name, before, system } of ofKind) {
      if (before === null) await transaction.remove(kind, name);
      else await transaction.put(kind, name, { ...before }, { ...system });
    }
  }
  if (changes.some(({ kind }) => kind === 'Directory')) await deps.restate(transaction);
  return { result: 'done', touched: changes };
}

function answer(
  { epoch, generation }: Version,
  changes: readonly RollbackChange[],
  kept: readonly RollbackKept[],
  withBodies: boolean,
): RollbackAnswer {
  return {
    epoch,
    generation,
    changes: changes.map(({ kind, name, change, now, before }, at) => ({
      ...{ kind, name, change },
      ...(withBodies && at < MAX_BODIES_SHOWN ? { now: now && { ...now }, before: before && { ...before } } : {}),
    })),
    kept: [...kept],
  };
}
