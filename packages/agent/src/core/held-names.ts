import type { CachedUser } from '../ports.ts';

type Held = Pick<CachedUser, 'user' | 'method' | 'names'>;

/** `lab.test\\alice`, `LAB\\alice`, `alice@lab.test`, `alice@LAB.TEST`: nobody has more. */
const MAX_NAMES = 8;

/**
 * Under which other names the row of a directory's user is found: those with a domain for which a server has taken them, the newest
 * first. A plain name may be a local user's tomorrow, and is found only as it is; so is a local user's (`Alice@x` may be another one than `alice@x`).
 */
export function otherNames(row: Held, before: readonly Held[]): readonly string[] {
  if (row.method !== 'password') return [];
  const all = [row, ...before].flatMap(({ user, names = [] }) => [user, ...names]);
  const own = folded(row.user);
  const distinct = new Map(all.filter(hasDomain).map(name => [folded(name), name]));
  distinct.delete(own);
  return [...distinct.values()].slice(0, MAX_NAMES);
}

/** The name of the one row that is known by this one too; undefined: there is none, or more than one. */
export function heldName(typed: string, rows: readonly Held[]): string | undefined {
  const name = folded(typed);
  const found = rows.filter(
    ({ user, method, names = [] }) => method === 'password' && [user, ...names].some(each => folded(each) === name),
  );
  return found.length === 1 ? found[0]?.user : undefined;
}

/** A name that a directory may know in several forms. */
export const hasDomain = (name: string) => /[^\\@][\\@]./.test(name);
const folded = (name: string) => name.normalize('NFC').toLowerCase();
