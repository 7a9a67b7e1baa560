import type { SiteFacts } from './state.ts';

type Sources = Pick<SiteFacts, 'directorySuffixes' | 'directoryPlainNames'>;

/**
 * Whether two typed names may mean one person, by their form: `LAB\\alice`, `alice@lab.test`, `ALICE`. By the same rules as servers
 * (ADR 0086), as far as the statement tells of directories. Local names are what they are: without directories nothing else is the same.
 */
export function maySamePerson(name: string, other: string, sources: Sources): boolean {
  const [one, two] = [name.normalize('NFC'), other.normalize('NFC')];
  if (one === two) return true;
  const [a, b] = [partsOf(one), partsOf(two)];
  if (a.local !== b.local) return false;
  const mine = directoriesOf(a, sources);
  const theirs = directoriesOf(b, sources);
  return mine.some(suffix => theirs.includes(suffix));
}

type Parts = { readonly local: string; readonly domain: string | undefined; readonly isBackslash: boolean };

function partsOf(typed: string): Parts {
  const name = typed.toLowerCase();
  const back = name.indexOf('\\');
  if (back > 0) return { local: name.slice(back + 1), domain: name.slice(0, back), isBackslash: true };
  const at = name.lastIndexOf('@');
  if (at > 0) return { local: name.slice(0, at), domain: name.slice(at + 1), isBackslash: false };
  return { local: name, domain: undefined, isBackslash: false };
}

/** Suffixes of the directories of which the name may be. */
function directoriesOf({ domain, isBackslash }: Parts, sources: Sources): readonly string[] {
  const suffixes = sources.directorySuffixes.map(suffix => suffix.toLowerCase());
  if (domain === undefined) return sources.directoryPlainNames === true ? suffixes : [];
  return suffixes.filter(suffix => suffix === domain || (isBackslash && suffix.split('.')[0] === domain));
}
