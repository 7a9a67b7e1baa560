import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EpochSpan } from '@thinman/protocol';
import { forkPoint } from './fork-point.ts';

/** Newest first: epochs of this number, by whom, up to which generation. */
const line = (...spans: readonly (readonly [number, string, number])[]): readonly EpochSpan[] =>
  spans.map(([epoch, begunBy, last]) => ({ epoch, begunBy, last }));

describe('where two lines of commits parted', () => {
  for (const [what, mine, theirs, expected] of [
    ['one was promoted on top of the other', line([1, 'init', 9]), line([2, 'b', 12], [1, 'init', 7]), 7],
    ['the promoted one has all of it', line([1, 'init', 7]), line([2, 'b', 12], [1, 'init', 7]), 7],
    [
      'both began the second epoch, the other one from fewer commits',
      line([2, 'b', 15], [1, 'init', 9]),
      line([2, 'a', 12], [1, 'init', 7]),
      7,
    ],
    [
      'both began it, this one from fewer commits',
      line([2, 'a', 12], [1, 'init', 7]),
      line([2, 'b', 15], [1, 'init', 9]),
      7,
    ],
    [
      'both began two epochs of their own',
      line([3, 'bb', 20], [2, 'b', 15], [1, 'init', 9]),
      line([3, 'aa', 18], [2, 'a', 12], [1, 'init', 7]),
      7,
    ],
    [
      'they shared the second one and began the third one both',
      line([3, 'b', 20], [2, 'one', 15], [1, 'init', 9]),
      line([4, 'c', 30], [3, 'a', 18], [2, 'one', 14], [1, 'init', 9]),
      14,
    ],
    ['they have nothing in common', line([1, 'init', 9]), line([1, 'other', 9]), 0],
  ] as const) {
    test(what, () => assert.equal(forkPoint(mine, theirs), expected));
  }
});
