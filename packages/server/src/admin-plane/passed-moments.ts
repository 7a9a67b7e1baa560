import type { ActivateAt } from '@thinman/protocol';
import { readRollout } from '../core/rollout.ts';
import { isActive, momentText } from '../core/staged-index.ts';
import { momentOf } from '../core/wall-time.ts';
import type { PlannedObject } from './plan-apply.ts';

/**
 * Planned moments that are over when they are written, for people: what they plan counts at once, and a slip in a date looks like a plan.
 * Told, not refused: files of last year are applied to a new site, and old versions are rolled back to (ADR 0094).
 */
export function passedMoments(items: readonly PlannedObject[], nowMs: number): readonly string[] {
  return items.flatMap(item => {
    const moment = item.change === 'unchanged' ? undefined : waitingFor(item);
    const atMs = moment && momentOf(moment);
    if (moment === undefined || atMs === undefined || atMs > nowMs) return [];
    const what = item.kind === 'Rollout' ? 'begins' : 'counts';
    return [
      `${item.kind} ${item.name}: body.activateAt ${momentText(moment)} is over (${ago(nowMs - atMs)} ago), so it ${what} at once; give a later moment if that is not meant`,
    ];
  });
}

/** The moment that an object still waits for; what was carried out waits for nothing. */
function waitingFor({ kind, name, body, system }: PlannedObject): ActivateAt | undefined {
  const { activateAt } = body as { readonly activateAt?: ActivateAt };
  if (kind === 'Assignment') return isActive({ body, system }) ? undefined : activateAt;
  if (kind === 'Rollout') return readRollout(name, body, system).progress === undefined ? activateAt : undefined;
  return undefined;
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** In the largest unit that fits: who mistook a year reads of hundreds of days. */
function ago(ms: number): string {
  for (const [unit, size] of UNITS) {
    const count = Math.floor(ms / size);
    if (count > 0) return `${count} ${unit}${count === 1 ? '' : 's'}`;
  }
  return 'less than a minute';
}
