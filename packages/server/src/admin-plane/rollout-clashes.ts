import type { FieldProblem, RolloutBody } from '@thinman/protocol';
import { isOver, readRollout, subjectOf } from '../core/rollout.ts';
import type { StoredObject } from '../ports.ts';
import { at } from './read-inputs.ts';
import type { SiteView, ValidInput } from './site-view.ts';

/** Two rollouts of one object would both say what it becomes. */
export function checkRollouts(inputs: readonly ValidInput[], view: SiteView): readonly FieldProblem[] {
  const given = inputs.filter(({ kind }) => kind === 'Rollout');
  if (given.length === 0) return [];
  const bodies = new Map<string, RolloutBody>();
  for (const { name, body, system } of view.list('Rollout')) {
    if (!isOver(readRollout(name, body, system))) bodies.set(name, body as RolloutBody);
  }
  for (const { name, body } of given) {
    const stored = view.get('Rollout', name);
    const over = stored !== undefined && isOver(readRollout(name, stored.body, stored.system));
    if (!over) bodies.set(name, body as RolloutBody);
  }
  const changing = Map.groupBy(bodies, ([, body]) => keyOf(body));
  return given.flatMap(input => {
    if (!bodies.has(input.name)) return [];
    const other = changing.get(keyOf(input.body as RolloutBody))?.find(([name]) => name !== input.name);
    if (other === undefined) return [];
    return [
      at(
        input,
        'body.of',
        `is what the Rollout "${other[0]}" changes, which is not over: roll that back or let it end first`,
      ),
    ];
  });
}

function keyOf({ of }: RolloutBody): string {
  const subject = subjectOf(of);
  return `${subject?.kind}/${subject?.name}`;
}

/** One that is over would change, and nothing would come of it; one that runs is of one object to its end. */
export function checkBegun(drafts: readonly RolloutDraft[]): readonly FieldProblem[] {
  return drafts.flatMap(({ input, stored, differs }) => {
    if (input.kind !== 'Rollout' || stored === undefined || !differs) return [];
    const rollout = readRollout(input.name, stored.body, stored.system);
    if (isOver(rollout)) {
      const why = `this rollout is over (${rollout.progress?.state})`;
      return [at(input, 'body', `cannot change: ${why}; give the new one another name, or delete this one first`)];
    }
    if (rollout.progress === undefined || keyOf(rollout.body) === keyOf(input.body as RolloutBody)) return [];
    return [at(input, 'body.of', 'cannot change once it has begun: roll it back, and make another one')];
  });
}

type RolloutDraft = {
  readonly input: ValidInput;
  readonly stored: StoredObject | undefined;
  /** What is given is not what is held. */
  readonly differs: boolean;
};
