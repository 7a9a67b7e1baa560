import type { DeleteAnswer } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';
import { revokeKey } from './device-keys.ts';
import { type DeletePlan, type Deletion, planDelete } from './plan-delete.ts';

/** Deletes one object that nothing names any more; leaves a tombstone. */
export async function remove(deps: WriteDeps, actor: Actor, deletion: Deletion): Promise<Outcome<DeleteAnswer>> {
  const { kind, name } = deletion;
  const outcome = await commit(deps, actor, async (transaction): Promise<Work<DeletePlan>> => {
    const plan = await planDelete(deletion, transaction, deps.replica.site()?.primaryInstance, deps.clock.nowMs());
    if (plan.kind !== 'delete') return { result: plan, touched: [] };
    await transaction.remove(kind, name);
    if (kind === 'Device') await revokeKey(transaction, plan.stored);
    if (kind === 'Server' || kind === 'Directory') await deps.restate(transaction);
    return { result: plan, touched: [{ kind, name, change: 'deleted' }] };
  });
  if (!outcome.ok) return outcome;
  const { version, result: plan } = outcome.value;
  switch (plan.kind) {
    case 'delete':
      return done({ epoch: version.epoch, generation: version.generation });
    case 'absent':
      return refused('not_found', { detail: `There is no ${kind} "${name}".` });
    case 'refused': {
      const conflicts = plan.conflicts === undefined ? {} : { conflicts: [...plan.conflicts] };
      return refused(plan.code, { detail: 'Nothing was deleted.', problems: [...plan.problems], ...conflicts });
    }
  }
}
