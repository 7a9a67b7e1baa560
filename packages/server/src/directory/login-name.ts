import { MAX_NAME_LENGTH } from '@thinman/protocol';
import { thinmanName } from './entry.ts';

/** A typed name in its parts. */
export type LoginParts = {
  /** Without suffix and domain. */
  readonly local: string;
  /** In lower case; undefined: a plain name. */
  readonly domain: string | undefined;
  readonly form: 'plain' | 'suffix' | 'backslash';
};

/** `alice`, `alice@lab.test`, `LAB\alice`. The domain is what stands behind the last `@`, or before the first `\`. */
export function loginParts(typed: string): LoginParts {
  const name = typed.normalize('NFC');
  const back = name.indexOf('\\');
  if (back > 0) return { local: name.slice(back + 1), domain: name.slice(0, back).toLowerCase(), form: 'backslash' };
  const at = name.lastIndexOf('@');
  if (at > 0) return { local: name.slice(0, at), domain: name.slice(at + 1).toLowerCase(), form: 'suffix' };
  return { local: name, domain: undefined, form: 'plain' };
}

/** What a directory is called in names, in lower case. */
export type Domains = { readonly suffix: string | undefined; readonly domain: string | undefined };

/** Whether the name says that it is one of this directory: by the suffix, by its first label (`LAB\alice`), or by the domain. */
export function belongsTo({ domain, form }: LoginParts, { suffix, domain: own }: Domains): boolean {
  if (domain === undefined) return false;
  const names = [suffix, own].filter(name => name !== undefined);
  if (form === 'suffix') return names.includes(domain);
  return names.some(name => name === domain || name.split('.')[0] === domain);
}

/** As objects are named, in lower case; what no object can be called stays as it was typed. */
function ownForm(local: string, maxLength?: number): string {
  const lower = local.normalize('NFC').toLowerCase();
  return thinmanName(lower, maxLength) ?? lower;
}

/** What a directory calls its user: with the suffix, if it has one. */
export function nameIn({ suffix }: Pick<Domains, 'suffix'>, local: string): string {
  if (suffix === undefined) return ownForm(local);
  return `${ownForm(local, Math.max(MAX_NAME_LENGTH - suffix.length - 1, 1))}@${suffix}`;
}

/** How a name is written by people and by ThinMan: with the suffix, with the domain before it, and without either. */
export function spellings({ local }: LoginParts, meant: readonly Domains[]): readonly string[] {
  const all = new Set<string>();
  for (const { suffix, domain } of meant) {
    const labels = new Set([domain, suffix?.split('.')[0], suffix].filter(name => name !== undefined));
    for (const each of new Set([local, ownForm(local)])) {
      all.add(each);
      if (suffix !== undefined) all.add(`${each}@${suffix}`);
      for (const label of labels) for (const written of [label, label.toUpperCase()]) all.add(`${written}\\${each}`);
    }
    all.add(nameIn({ suffix }, local));
  }
  return [...all];
}

/**
 * Under which names failures are counted, the own one first (ADR 0086). `meant`: the directories that the form of the name leaves, `plain`:
 * those that take plain names. A plain name that several may have is one of its own, and counts for each of them.
 */
export function countedAs(
  { local, domain }: LoginParts,
  { meant, plain }: { readonly meant: readonly Domains[]; readonly plain: readonly Domains[] },
): readonly [string, ...string[]] {
  const names = new Set(meant.map(each => nameIn(each, local)));
  const [only, ...others] = names;
  if (only === undefined || others.length > 0) {
    const typed = domain === undefined ? ownForm(local) : `${ownForm(local)}@${domain}`;
    return [typed, ...[...names].filter(name => name !== typed)];
  }
  const asPlain = new Set(plain.map(each => nameIn(each, local)));
  const isOneOfMany = asPlain.size > 1 && asPlain.has(only) && only !== ownForm(local);
  return isOneOfMany ? [only, ownForm(local)] : [only];
}
