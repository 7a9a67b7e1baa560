import type { DeleteAnswer } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';
import { revokeKey } from './device-keys.ts';
import { type DeletePlan, type Deletion, planDelete } from './plan-delete.ts';
import { type Renewed, renewDataKey } from './renew-data-key.ts';

type Removed = { readonly plan: DeletePlan; readonly secrets?: Renewed['secrets'] };

/** Deletes one object that nothing names any more; leaves a tombstone. */
export async function remove(deps: WriteDeps, actor: Actor, deletion: Deletion): Promise<Outcome<DeleteAnswer>> {
  const { kind, name } = deletion;
  const outcome = await commit(deps, actor, async (transaction): Promise<Work<Removed>> => {
    const plan = await planDelete(deletion, transaction, deps.replica.site()?.primaryInstance, deps.clock.nowMs());
    if (plan.kind !== 'delete') return { result: { plan }, touched: [] };
    await transaction.remove(kind, name);
    if (kind === 'Device') await revokeKey(transaction, plan.stored);
    // Its key is in the hands of whoever has that server.
    const renewed = kind === 'Server' ? await renewDataKey(deps, transaction) : undefined;
    if (kind === 'Server' || kind === 'Directory') await deps.restate(transaction);
    const touched = [{ kind, name, change: 'deleted' } as const, ...(renewed?.touched ?? [])];
    return { result: { plan, ...(renewed && { secrets: renewed.secrets }) }, touched };
  });
  if (!outcome.ok) return outcome;
  const { version, result } = outcome.value;
  const { plan, secrets } = result;
  switch (plan.kind) {
    case 'delete':
      return done({ ...version, ...(secrets && { secretsToChange: secrets }) });
    case 'absent':
      return refused('not_found', { detail: `There is no ${kind} "${name}".` });
    case 'refused': {
      const conflicts = plan.conflicts === undefined ? {} : { conflicts: [...plan.conflicts] };
      return refused(plan.code, { detail: 'Nothing was deleted.', problems: [...plan.problems], ...conflicts });
    }
  }
}
