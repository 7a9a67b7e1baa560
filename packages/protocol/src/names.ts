import Type from 'typebox';
import { visible } from './visible.ts';

/** Characters of an object's name, in Unicode code points after NFC. */
export const MAX_NAME_LENGTH = 128;

/** Visible characters; none that mean something in a URL, a shell or a path. Case and accents count (`alice` ≠ `Alice`). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const NAME = /^(?![.-])[^\u0000-\u0020\u007f-\u00a0/\\?#%"<>|*:;,`'$&(){}[\]\u2028\u2029]{1,128}$/;

/** A name of an object: see `nameProblem`. */
export const ObjectName = Type.String({
  minLength: 1,
  maxLength: MAX_NAME_LENGTH,
  pattern: NAME.source,
  description: 'a name without spaces and /\\?#%"<>|*:;,`\'$&(){}[], not beginning with "." or "-"',
});

/** What is wrong with a name, or undefined. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'a name is missing';
  if (name.length > MAX_NAME_LENGTH) return `the name is longer than ${MAX_NAME_LENGTH} characters`;
  if (!name.isWellFormed()) return 'the name has half of a character (a lone surrogate)';
  if (name !== name.normalize('NFC')) return 'the name is not in Unicode normal form C';
  if (!NAME.test(name))
    return `the name ${JSON.stringify(name)} has a space or a character that names cannot have, or begins with "." or "-"`;
  return undefined;
}

/** Format characters, spaces of all kinds, fillers: two names with them look alike, and some turn the text around them. */
const UNSEEN = /[\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u;

/**
 * What is wrong with the name of an object that is to be made, or undefined. One that is there already may have a name from
 * before this rule: it is read, changed and deleted by it.
 */
export function newNameProblem(name: string): string | undefined {
  if (UNSEEN.test(name)) return `the name "${visible(name)}" has a character that nobody sees`;
  return nameProblem(name);
}

/** Characters of a typed user name, as it is typed and as events have it. */
export const MAX_LOGIN_NAME_LENGTH = 256;

/** A user name as typed at login: an object's name, or one with a domain (`alice@lab.test`, `LAB\alice`). */
export const LoginName = Type.String({ minLength: 1, maxLength: MAX_LOGIN_NAME_LENGTH });

/** A UUID in lower case. */
export const Uuid = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' });

/** SHA-256 as base64url without padding (43 characters). */
export const Sha256 = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });

/** Base64url bytes, bounded. */
export const Base64Url = (maxChars: number) => Type.String({ pattern: '^[A-Za-z0-9_-]*$', maxLength: maxChars });
