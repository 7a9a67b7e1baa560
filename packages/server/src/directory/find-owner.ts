import type { DirectoryTrouble } from './directories.ts';
import type { Directory } from './directory.ts';
import type { LoginParts } from './login-name.ts';

/** No directory has the name; `ambiguous`: more than one has it, and none of them goes before. */
export type Nobody = { readonly kind: 'nobody'; readonly why?: 'ambiguous' };

type Candidate = Pick<Directory, 'find'> & { readonly config: Pick<Directory['config'], 'name' | 'order'> };

/**
 * The one directory that has a name, of those that may have it: the first by `order`. One that cannot be asked ends the search, for the name
 * may be its own; those behind it that has the name are not asked. `onAmbiguous` is given the names of directories of one order that all have it.
 */
export async function findOwner<D extends Candidate>(
  candidates: readonly D[],
  parts: LoginParts,
  onAmbiguous: (directories: readonly string[]) => void,
): Promise<D | DirectoryTrouble | Nobody> {
  const [first, ...others] = candidates.toSorted((a, b) => a.config.order - b.config.order);
  if (first === undefined) return { kind: 'nobody' };
  if (others.length === 0) return first;
  for (const together of Map.groupBy([first, ...others], ({ config }) => config.order).values()) {
    const answers = await Promise.all(together.map(async each => ({ each, found: await each.find(parts) })));
    const owners: D[] = [];
    for (const { each, found } of answers) {
      if (!('found' in found)) return found;
      if (found.found !== 'none') owners.push(each);
    }
    if (owners.length > 1) {
      onAmbiguous(owners.map(({ config }) => config.name));
      return { kind: 'nobody', why: 'ambiguous' };
    }
    if (owners[0] !== undefined) return owners[0];
  }
  // Nobody's name is asked of one of them: it takes as long as a wrong password.
  return first;
}
