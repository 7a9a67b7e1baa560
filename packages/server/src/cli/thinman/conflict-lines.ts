import type { Conflict } from '@thinman/protocol';
import { visible } from '@thinman/protocol';
import { bodyDifference } from './body-difference.ts';

/** Both versions of an object that changed after it was read, as what differs between them, a line each. */
export function conflictLines({ yours, current }: Conflict): readonly string[] {
  if (current === null) return ['  - it does not exist now'];
  const now = `  - now, generation ${current.generation}`;
  const lines = bodyDifference(current.body, yours?.body ?? {}).map(line => visible(`    ${line}`));
  if (yours === null) return [now, ...lines];
  const both = `${now}  + yours, from generation ${yours.generation}`;
  return lines.length === 0
    ? [`${both}: the same: the change is made already, and nothing is left to do`]
    : [both, ...lines];
}
