import type { Connection, EffectiveAnswer, Origin } from '@thinman/protocol';
import { type Match, matchingAssignments } from './matching.ts';
import type { SiteConfig, Subject } from './site-config.ts';

/** The connections of one device, or of one user on one device, in the order of the screen, each with its origin. */
export type ResolvedProfile = Omit<EffectiveAnswer['profile'], 'connections'> & {
  readonly connections: readonly Connection[];
};

/** Connections are united by name: the stronger assignment's whole connection replaces the weaker's. */
export function resolveProfile(
  config: SiteConfig,
  subject: Subject,
  matches: readonly Match[] = matchingAssignments(config, subject),
): ResolvedProfile {
  const winners = new Map<string, { readonly value: Connection; readonly origin: Origin }>();
  const overridden = new Map<string, { readonly value: Connection; readonly origin: Origin }[]>();
  for (const { assignment } of matches) {
    const profile = assignment.profile === undefined ? undefined : config.profiles.get(assignment.profile);
    if (profile === undefined) continue;
    const origin = { kind: 'Profile', name: profile.name, assignment: assignment.name };
    for (const value of profile.connections) {
      const weaker = winners.get(value.name);
      if (weaker !== undefined) overridden.set(value.name, [weaker, ...(overridden.get(value.name) ?? [])]);
      winners.set(value.name, { value, origin });
    }
  }
  const shown = [...winners.values()].sort((a, b) => onScreen(a.value, b.value));
  return {
    connections: shown.map(({ value }) => value),
    origins: Object.fromEntries(shown.map(({ value, origin }) => [value.name, origin])),
    overrides: Object.fromEntries([...overridden].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** Those with a place first, by place, then by name. */
function onScreen(a: Connection, b: Connection): number {
  const [first, second] = [a.order ?? Number.POSITIVE_INFINITY, b.order ?? Number.POSITIVE_INFINITY];
  if (first !== second) return first - second;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
