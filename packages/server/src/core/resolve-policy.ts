import { canonicalJson, type EffectiveAnswer, type Origin, SETTINGS, type Setting } from '@thinman/protocol';
import { compareLevels, isUserLevel, type Level, type Match, matchingAssignments } from './matching.ts';
import type { Policy, SiteConfig, Subject } from './site-config.ts';

/** The settings of one device, or of one user on one device, by dotted key in alphabetical order. */
export type ResolvedPolicy = EffectiveAnswer['settings'];
type ResolvedSetting = ResolvedPolicy[string];

/** One policy's word on one key. */
type Candidate = {
  readonly value: unknown;
  readonly enforced: boolean;
  readonly level: Level;
  readonly origin: Origin;
};

/**
 * Resolves policies: deterministic, and every value tells where it comes from and what it has overridden.
 *
 * From weakest to strongest: site; device groups from the root to the leaf; the device; user groups from the outermost to
 * the innermost; the user. Several parts in one target stand at the strongest level among them, above plain assignments
 * of that level. Within a level the higher priority wins, then the assignment whose name sorts first. An enforced value
 * beats every one that is not, and of two enforced values the weaker level's wins. Lists that merge are united from
 * weakest to strongest; an enforced list is taken alone.
 */
export function resolvePolicy(
  config: SiteConfig,
  subject: Subject,
  matches: readonly Match[] = matchingAssignments(config, subject),
): ResolvedPolicy {
  const byKey = new Map<string, Candidate[]>();
  for (const { assignment, level } of matches) {
    const policy = assignment.policy === undefined ? undefined : config.policies.get(assignment.policy);
    if (policy === undefined) continue;
    const origin = { kind: 'Policy', name: policy.name, assignment: assignment.name };
    for (const [key, value] of policy.settings) {
      const setting = SETTINGS.get(key);
      if (setting === undefined || !counts(setting, policy, level, subject)) continue;
      const candidates = byKey.get(key) ?? [];
      candidates.push({ value, enforced: policy.enforced.has(key), level, origin });
      byKey.set(key, candidates);
    }
  }
  const keys = [...byKey.keys()].sort();
  return Object.fromEntries(keys.map(key => [key, decide(SETTINGS.get(key)?.merge, byKey.get(key) ?? [])]));
}

/**
 * Device settings (by the catalogue, or because the policy says that it is one of devices) ignore the levels of users;
 * user settings need a user.
 */
function counts(setting: Setting, policy: Policy, level: Level, subject: Subject): boolean {
  const scopes = [setting.scope, policy.scope];
  if (scopes.includes('device') && scopes.includes('user')) return false;
  if (scopes.includes('device')) return !isUserLevel(level);
  return !scopes.includes('user') || subject.user !== undefined;
}

/** `candidates` come weakest first. */
function decide(merge: Setting['merge'] | undefined, candidates: readonly Candidate[]): ResolvedSetting {
  const enforced = candidates.filter(candidate => candidate.enforced);
  const winner = enforced.length > 0 ? strongestOfWeakestLevel(enforced) : candidates.at(-1);
  if (winner === undefined) throw new Error('a setting was resolved from no policy');
  const others = candidates.filter(candidate => candidate !== winner);
  const { origin } = winner;
  if (merge === 'union' && !winner.enforced) {
    const united = unite(candidates.map(candidate => candidate.value));
    return { value: united, origin, enforced: false, overrides: [], united: candidates.map(valueAndOrigin) };
  }
  // What would hold without the winner comes first.
  return {
    value: winner.value,
    origin,
    enforced: winner.enforced,
    overrides: others.reverse().map(valueAndOrigin),
  };
}

function strongestOfWeakestLevel(enforced: readonly Candidate[]): Candidate | undefined {
  const [weakest] = enforced;
  return weakest && enforced.findLast(candidate => compareLevels(candidate.level, weakest.level) === 0);
}

function unite(lists: readonly unknown[]): unknown[] {
  const united = new Map<string, unknown>();
  for (const item of lists.flat()) {
    const key = canonicalJson(item);
    if (!united.has(key)) united.set(key, item);
  }
  return [...united.values()];
}

function valueAndOrigin({ value, origin }: Candidate): { value: unknown; origin: Origin } {
  return { value, origin };
}
