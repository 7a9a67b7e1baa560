import type { FieldProblem, RolloutBody } from '@thinman/protocol';
import { isOver, readRollout, subjectOf } from '../core/rollout.ts';
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
  return given.flatMap(input => {
    const mine = keyOf(input.body as RolloutBody);
    const other = [...bodies].find(
      ([name, body]) => name !== input.name && bodies.has(input.name) && keyOf(body) === mine,
    );
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
