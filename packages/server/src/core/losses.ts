import { canonicalJson, type Losses, type LossKind, MAX_LOST_NAMED, type ObjectKind } from '@thinman/protocol';
import type { StoredObject } from '../ports.ts';

/** An object as this server has it, and what another state of the site lacks of it. */
export type Loss = { readonly object: StoredObject; readonly loss: LossKind };

/** Servers are taken over whatever the state says of them: who is a server is no matter of backups. */
const TAKEN_OVER: readonly ObjectKind[] = ['Server'];

/** What is lost of `mine` where `theirs` counts from now on; undefined: nothing. */
export function lossOf(mine: StoredObject, theirs: StoredObject | undefined): LossKind | undefined {
  if (TAKEN_OVER.includes(mine.kind)) return undefined;
  const there = theirs?.deleted === false ? theirs : undefined;
  if (mine.deleted) return there === undefined ? undefined : 'deleted';
  if (there === undefined) return 'missing';
  if (canonicalJson(mine.body) !== canonicalJson(there.body)) return 'changed';
  return canonicalJson(kept(mine)) === canonicalJson(kept(there)) ? undefined : 'system';
}

/** How often a token was used is nobody's work. */
function kept({ kind, system }: StoredObject): Readonly<Record<string, unknown>> {
  if (kind !== 'EnrollmentToken') return system;
  const { used: _used, ...others } = system;
  return others;
}

export function summarise(losses: readonly Loss[]): Losses {
  const named = losses.slice(0, MAX_LOST_NAMED);
  return { count: losses.length, objects: named.map(({ object: { kind, name }, loss }) => ({ kind, name, loss })) };
}

/** Named in a sentence: more would not be read. */
const NAMED_IN_WORDS = 10;
const WORDS: Readonly<Record<LossKind, string>> = {
  missing: 'is missing',
  changed: 'is another',
  deleted: 'is there again',
  system: 'has another password, key or secret',
};

/** For people: `2 objects: User/alice (is missing), …`. */
export function describeLosses({ count, objects }: Losses): string {
  if (count === 0) return 'nothing';
  const named = objects.slice(0, NAMED_IN_WORDS).map(({ kind, name, loss }) => `${kind}/${name} (${WORDS[loss]})`);
  const more = count - named.length;
  return `${count} ${count === 1 ? 'object' : 'objects'}: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
