import type { ApplyAnswer, ObjectKind, ServerReport } from '@thinman/protocol';
import { isStagedKind } from '../core/staged-index.ts';

/**
 * What is to be known of a change while servers are updated: an older one does not know what is new in these objects, and may give
 * devices something else (a filter that it does not see leaves nobody out). Told, not refused: most changes have nothing new.
 */
export function olderServers(
  { version, secondaries = [] }: Pick<ServerReport, 'version' | 'secondaries'>,
  changes: ApplyAnswer['changes'],
): readonly string[] {
  if (!changes.some(({ kind, change }) => change !== 'unchanged' && isStagedKind(kind as ObjectKind))) return [];
  return secondaries
    .filter(theirs => theirs.version !== undefined && isOlder(theirs.version, version))
    .map(
      theirs =>
        `the Secondary "${theirs.name}" runs ${theirs.version}, older than ${version} here: what it does not know of these objects (filters, variables, new settings) it leaves out or gives otherwise; update it first`,
    );
}

/** By the three numbers of a release. */
export function isOlder(one: string, other: string): boolean {
  const [a, b] = [one, other].map(version => version.split(/[.+-]/, 3).map(Number));
  for (let at = 0; at < 3; at++) {
    const [left = 0, right = 0] = [a?.[at], b?.[at]];
    if (left !== right) return left < right;
  }
  return false;
}
