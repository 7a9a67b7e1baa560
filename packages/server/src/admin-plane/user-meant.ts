import { ObjectName, parseValue, type UserSystem } from '@thinman/protocol';
import type { Directories } from '../directory/directories.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Replica } from '../ports.ts';

/** The User object that a typed name stands for. `mayBeMade`: a directory's user, of whom nothing has been said here yet. */
export type UserMeant = { readonly name: string; readonly mayBeMade: boolean };

/** What is asked of directories by the name alone. */
export type NamesOfDirectories = Pick<Directories, 'claims' | 'keysOf' | 'spellingsOf' | 'status'>;

/**
 * In every form in which a login takes it: `alice@lab.test`, `LAB\\alice`, `alice`. A local user goes before. The directory is asked, so
 * that a name with a mistake in it makes no object; where it cannot be asked the form of the name decides.
 */
export async function userMeant(
  { replica, directories }: { readonly replica: Pick<Replica, 'get'>; readonly directories?: NamesOfDirectories },
  typed: string,
): Promise<Outcome<UserMeant>> {
  const local = replica.get('User', typed);
  const itself = { name: typed, mayBeMade: false };
  const hasPassword = (local?.system as UserSystem | undefined)?.credential !== undefined;
  if (hasPassword || directories === undefined || directories.claims(typed) === 'none') return done(itself);
  const status = await directories.status(typed);
  if (status.kind === 'ok') return done({ name: status.account.name, mayBeMade: canBeObject(status.account.name) });
  const [name, ...others] = directories.keysOf(typed);
  if (status.kind !== 'unknown' && others.length === 0) return done({ name, mayBeMade: canBeObject(name) });
  if (local !== undefined && !local.deleted) return done(itself);
  // What has been said of somebody may be said again, also after the directory has forgotten them.
  const said = replica.get('User', name);
  if (said !== undefined && !said.deleted) return done({ name, mayBeMade: false });
  const isAmbiguous = status.kind === 'unknown' && status.why === 'ambiguous';
  const detail = isAmbiguous
    ? `More than one directory has "${typed}": name it as ${others.join(' or ')}.`
    : status.kind === 'unknown'
      ? `There is no User "${typed}", and no directory has one.`
      : `There is no User "${typed}", and which directory has one cannot be asked now: name it as ${others.join(' or ')}.`;
  return refused('not_found', { detail });
}

/** A directory may have a name that no object can be called. */
const canBeObject = (name: string) => parseValue(ObjectName, name).ok;
