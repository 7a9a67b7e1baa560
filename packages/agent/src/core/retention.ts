/** A cached login, as far as it is weighed whether it stays. */
export type Held = {
  readonly user: string;
  readonly userId: string;
  /** Rises by one with each login of anybody, online or offline: clocks of devices are not asked. Missing in rows of before. */
  readonly used?: number | undefined;
  readonly lastOnlineMs: number;
};

/**
 * Names of those who are forgotten, so that at most `maxUsers` are held: the least recently used first. Whoever works here stays,
 * and counts.
 */
export function whomToForget(
  held: readonly Held[],
  { maxUsers, atWork }: { readonly maxUsers: number; readonly atWork: string | undefined },
): readonly string[] {
  const excess = held.length - Math.max(maxUsers, 0);
  if (excess <= 0) return [];
  return held
    .filter(({ userId }) => userId !== atWork)
    .toSorted(byUse)
    .slice(0, excess)
    .map(({ user }) => user);
}

/** The number of a login that happens now. */
export function nextUse(held: readonly Pick<Held, 'used'>[]): number {
  return held.reduce((newest, { used = 0 }) => Math.max(newest, used), 0) + 1;
}

function byUse(a: Held, b: Held): number {
  return (a.used ?? 0) - (b.used ?? 0) || a.lastOnlineMs - b.lastOnlineMs || (a.user < b.user ? -1 : 1);
}
