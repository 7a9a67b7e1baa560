import type { EpochSpan } from '@thinman/protocol';

/**
 * The last generation that two lines of commits have in common, by the epochs of each (newest first): the newest epoch that both
 * began by the same commit, as far as both have it. 0: they have none in common.
 */
export function forkPoint(mine: readonly EpochSpan[], theirs: readonly EpochSpan[]): number {
  for (const { epoch, begunBy, last } of mine) {
    const same = theirs.find(span => span.epoch === epoch && span.begunBy === begunBy);
    if (same !== undefined) return Math.min(last, same.last);
  }
  return 0;
}
