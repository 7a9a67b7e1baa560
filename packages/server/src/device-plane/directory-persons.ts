import type { UserSystem } from '@thinman/protocol';
import type { DeviceDeps } from './device-deps.ts';
import { ownWords } from './directory-user.ts';

/** Whom a typed name may mean, as far as failures are counted (ADR 0086). */
export type Person = {
  /** Under which this name's failures and grants are written down. */
  readonly key: string;
  /** Keys whose failures are this person's too. */
  readonly also: readonly string[];
  /** The latest unlock by the helpdesk of any of them. */
  readonly unlockedAt: string | undefined;
};

export type DirectoryPersons = {
  of(typed: string): Person;
  /**
   * Under which key what was typed is written down, now that the directory has said what it calls the one who was meant. `isNews`: before
   * it was asked that was not known here.
   */
  learn(typed: string, name: string): { readonly key: string; readonly isNews: boolean };
};

/** Names that are not what the directory calls the user: principal names of another form, other spellings. At some 100 bytes 1 MB. */
const MAX_LEARNT = 10_000;

type Deps = Pick<DeviceDeps, 'directories'> & { readonly replica: Pick<DeviceDeps['replica'], 'get'> };

export function createDirectoryPersons({ directories, replica }: Deps): DirectoryPersons {
  /** The directory's name by the key of the typed one. */
  const learnt = new Map<string, string>();

  /** A local user of a plain name is somebody else. */
  const isLocal = (key: string) =>
    (replica.get('User', key)?.system as UserSystem | undefined)?.credential !== undefined;

  function keysOf(typed: string): readonly [string, ...string[]] {
    const [key, ...others] = directories.keysOf(typed);
    const own = learnt.get(key);
    const all = new Set([...others, ...(own === undefined ? [] : directories.keysOf(own))]);
    all.delete(key);
    return [key, ...[...all].filter(each => !isLocal(each))];
  }

  return {
    of(typed) {
      const [key, ...also] = keysOf(typed);
      const unlocks = [key, ...also].flatMap(each => ownWords(replica, each).unlockedAt ?? []);
      return { key, also, unlockedAt: unlocks.toSorted((a, b) => Date.parse(a) - Date.parse(b)).at(-1) };
    },
    learn(typed, name) {
      const known = directories.keysOf(typed);
      const [key] = known;
      if (known.includes(name)) return { key, isNews: false };
      if (learnt.get(key) === name) return { key: name, isNews: false };
      const [oldest] = learnt.keys();
      if (learnt.size >= MAX_LEARNT && oldest !== undefined) learnt.delete(oldest);
      learnt.set(key, name);
      return { key: name, isNews: true };
    },
  };
}
