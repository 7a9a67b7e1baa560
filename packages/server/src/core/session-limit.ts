import type { Access } from './access.ts';

/** One open session of the user on another device. */
export type OtherSession = { readonly loginId: string; readonly sinceMs: number };

export type SessionDecision =
  /** It may be opened, and these end. */
  { readonly kind: 'open'; readonly ends: readonly string[] } | { readonly kind: 'too_many' };

/**
 * A further session of a user who may have `maxSessions` at once. `provedSinceMs`: it is none, but one that was opened then without a
 * server, and is proved now; the oldest ends all the same, if need be itself, but nobody is refused afterwards.
 */
export function decideSession(
  { maxSessions, whenTooMany }: Pick<Access, 'maxSessions' | 'whenTooMany'>,
  others: readonly OtherSession[],
  provedSinceMs?: number,
): SessionDecision {
  const tooMany = others.length + 1 - maxSessions;
  if (maxSessions === 0 || tooMany <= 0) return { kind: 'open', ends: [] };
  if (whenTooMany === 'refuse') return provedSinceMs === undefined ? { kind: 'too_many' } : { kind: 'open', ends: [] };
  const oldestFirst = others.toSorted((a, b) => a.sinceMs - b.sinceMs);
  const newer = oldestFirst.filter(({ sinceMs }) => sinceMs > (provedSinceMs ?? Number.POSITIVE_INFINITY)).length;
  if (newer >= maxSessions) return { kind: 'too_many' };
  return { kind: 'open', ends: oldestFirst.slice(0, tooMany).map(({ loginId }) => loginId) };
}
