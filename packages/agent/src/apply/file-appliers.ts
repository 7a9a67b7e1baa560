import { type BundleFile, filesNamed, SETTINGS } from '@thinman/protocol';
import { errorCode } from '../error-code.ts';
import type { Clock, FileCache } from '../ports.ts';
import type { Applier } from './applier.ts';
import { type Holding, sectionsOf } from './sections.ts';

/** Others wait for their turn: what has not come by then goes on in the next round, from where it was. */
const ROUND_MS = 60_000;

/** Fetches the files that settings name, before anybody else applies these sections: a section without its file has failed. */
export function createFileAppliers(cache: FileCache, clock: Pick<Clock, 'after'>, ending: AbortSignal) {
  return (holding: Holding): readonly Applier[] => {
    const files = filesOf(holding);
    makeRoom(cache, [...files.values()]);
    return Array.from(sectionsOf(holding)).flatMap(([section, values]) => {
      const names = namesIn(values);
      return names.length === 0 ? [] : [applierOf(section, names, files)];
    });
  };

  function applierOf(section: string, names: readonly string[], files: ReadonlyMap<string, BundleFile>): Applier {
    return {
      section,
      async apply() {
        const late = new AbortController();
        const cancel = clock.after(ROUND_MS, () => late.abort());
        try {
          for (const name of names) {
            const file = files.get(name);
            if (file === undefined) throw new Error(`the site has no File "${name}"`);
            await cache.ensure(file, AbortSignal.any([late.signal, ending]));
          }
          return { result: 'applied' };
        } finally {
          cancel();
        }
      },
    };
  }
}

/** A disk from which nothing can be removed (read-only, or failing) keeps nobody from what is there already. */
function makeRoom(cache: FileCache, files: readonly BundleFile[]): void {
  try {
    cache.makeRoom(files);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
}

/** Where the files lie that have come, by name: for programs that apply what names them. */
export function pathsOf(
  files: readonly BundleFile[] | undefined,
  cache: Pick<FileCache, 'pathOf'>,
): Record<string, string> {
  const known = (files ?? []).flatMap(file => {
    const path = cache.pathOf(file);
    return path === undefined ? [] : [[file.name, path] as const];
  });
  return Object.fromEntries(known);
}

function filesOf({ device, user }: Holding): ReadonlyMap<string, BundleFile> {
  return new Map([...(device.files ?? []), ...(user?.files ?? [])].map(file => [file.name, file]));
}

function namesIn(values: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(values).flatMap(([key, value]) => filesNamed(SETTINGS.get(key)?.schema ?? {}, value));
}
