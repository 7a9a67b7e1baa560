import type { FieldProblem, RolloutAnswer, RolloutSystem } from '@thinman/protocol';
import { afterAct, type RolloutAct, readRollout } from '../core/rollout.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Actor, WriteDeps } from './admin-deps.ts';
import { commit, type Work } from './commit.ts';

const ACTS: readonly string[] = ['pause', 'resume', 'roll_back', 'advance'] satisfies RolloutAct[];

export function isRolloutAct(act: string): act is RolloutAct {
  return ACTS.includes(act);
}

/** An administrator's word on a rollout that is under way. */
export async function actOnRollout(
  deps: WriteDeps,
  actor: Actor,
  name: string,
  act: RolloutAct,
): Promise<Outcome<RolloutAnswer>> {
  const outcome = await commit(deps, actor, async (transaction): Promise<Work<RolloutSystem | string | undefined>> => {
    const stored = await transaction.get('Rollout', name);
    if (stored === undefined) return { result: undefined, touched: [] };
    const { body, system, kind } = stored;
    const after = afterAct(readRollout(name, body, system), act, deps.clock.nowMs());
    if (typeof after === 'string') return { result: after, touched: [] };
    // What is over is counted no more: this is what stays to be seen of it.
    const standing = deps.rolloutStanding?.(name);
    const devices = standing?.isCounting === false ? standing.devices : undefined;
    const next = devices === undefined ? after : { ...after, devices: { ...devices } };
    await transaction.put('Rollout', name, { ...body }, { ...system, rollout: next });
    return { result: next, touched: [{ kind, name, change: 'updated' }] };
  });
  if (!outcome.ok) return outcome;
  const { version, result } = outcome.value;
  if (result === undefined) return refused('not_found', { detail: `There is no Rollout "${name}".` });
  if (typeof result !== 'string') {
    await deps.events.write('rollout.changed', {
      rollout: name,
      state: result.state,
      stage: result.stage,
      by: actor.name,
    });
    return done({ ...version, name, status: result });
  }
  const problem: FieldProblem = { field: '', kind: 'Rollout', name, message: result };
  return refused('invalid_object', { detail: 'Nothing was changed.', problems: [problem] });
}
