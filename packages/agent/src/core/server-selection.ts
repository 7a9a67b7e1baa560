import type { ServerEntry, ServerHealth } from './state.ts';

/** What a server is worth as the next one to use. */
export type Standing =
  /** Says that it serves. */
  | 'serving'
  /** Serves from its replica: taken when nobody serves. */
  | 'degraded'
  /** Has been asked and has not answered yet. */
  | 'unknown'
  /** Believed dead, but asked again: holds nobody back, and its answer is awaited before all is given up. */
  | 'doubtful'
  /** Dead, draining, or unable: not taken. */
  | 'out';

export function standingOf(health: ServerHealth | undefined): Standing {
  if (health === undefined) return 'out';
  if (health.breaker.kind === 'open') return health.probe === undefined ? 'out' : 'doubtful';
  switch (health.heard) {
    case 'serving':
    case 'degraded':
    case 'unknown':
      return health.heard;
    case 'draining':
    case 'unavailable':
      return 'out';
  }
}

export type Selection =
  | { readonly kind: 'chosen'; readonly server: string }
  /** An earlier server may still answer. */
  | { readonly kind: 'wait' }
  /** Nobody serves. */
  | { readonly kind: 'none' };

export type Candidate = { readonly name: string; readonly standing: Standing };

/**
 * The ladder: the first `serving` server in list order, else the first `degraded` one, else none. While there is `patience`,
 * a server that has not answered yet holds back those after it; later the list goes on without it.
 */
export function selectServer(candidates: readonly Candidate[], patience: boolean): Selection {
  for (const { name, standing } of candidates) {
    if (standing === 'serving') return { kind: 'chosen', server: name };
    if (standing === 'unknown' && patience) return { kind: 'wait' };
  }
  const degraded = candidates.find(({ standing }) => standing === 'degraded');
  if (degraded !== undefined) return { kind: 'chosen', server: degraded.name };
  const isAwaited = candidates.some(({ standing }) => standing === 'unknown' || standing === 'doubtful');
  return isAwaited ? { kind: 'wait' } : { kind: 'none' };
}

export function candidatesOf(
  servers: readonly ServerEntry[],
  health: Readonly<Record<string, ServerHealth>>,
): readonly Candidate[] {
  return servers.map(({ name }) => ({ name, standing: standingOf(health[name]) }));
}

/** Logins go to the best rung first, and within it in list order. */
const LOGIN_RANK = { serving: 0, unknown: 1, degraded: 2, doubtful: 3, out: 3 } as const satisfies Record<
  Standing,
  number
>;

/**
 * The servers to ask in one login: the one that holds the channel, whatever better ones are there (moving is not a login's
 * business), then the others by what they are worth. Servers believed dead are left out.
 */
export function loginOrder(candidates: readonly Candidate[], current: string | undefined): readonly string[] {
  const fit = candidates.filter(({ standing }) => standing !== 'out' && standing !== 'doubtful');
  const ranked = fit.toSorted((a, b) => LOGIN_RANK[a.standing] - LOGIN_RANK[b.standing]);
  const first = ranked.filter(({ name }) => name === current);
  return [...first, ...ranked.filter(({ name }) => name !== current)].map(({ name }) => name);
}
