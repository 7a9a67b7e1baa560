import { type KdfParameters, kdfRefusal, NO_VERSION, type SiteStatement, type Version } from '@thinman/protocol';
import type { Lesson } from './effect.ts';
import type { ProblemFacts } from './event.ts';
import type { Login } from './state.ts';
import { newestKnown } from './subject.ts';

/** Why these parameters are refused, or undefined. Base64url has four characters for three bytes. */
export function saltRefusal(login: Login, salt: string, kdf: KdfParameters): string | undefined {
  const saltBytes = Math.floor((salt.length * 3) / 4);
  const lastUsed = login.cached?.method === 'derived' ? login.cached.kdf : undefined;
  return kdfRefusal(kdf, saltBytes, lastUsed);
}

/**
 * May a server ask for this user's password itself? Only for names of a directory that the signed statement names
 * (`alice@lab.test`, `LAB\\alice`), or for plain ones where it says that a directory takes those; never for a user who logs in by
 * proof here.
 */
export function mayAskPassword(
  login: { readonly user: string; readonly cached: { readonly method: 'derived' | 'password' } | undefined },
  { directorySuffixes, directoryPlainNames }: Pick<SiteStatement, 'directorySuffixes' | 'directoryPlainNames'>,
): boolean {
  if (login.cached?.method === 'derived') return false;
  const user = login.user.toLowerCase();
  if (!/[@\\]/.test(user)) return directoryPlainNames === true;
  return directorySuffixes.some(suffix => {
    const domain = suffix.toLowerCase();
    const [first] = domain.split('.');
    return user.endsWith(`@${domain}`) || user.startsWith(`${first}\\`) || user.startsWith(`${domain}\\`);
  });
}

/** Codes that are told only after a right credential. */
const AFTER_RIGHT_CREDENTIAL = ['account_expired', 'password_expired', 'not_permitted', 'too_many_sessions'];

/**
 * What a final denial teaches about the user, so that a server that lags, or the cache, is not believed against it later.
 *
 * A password is set with a new salt. So a denial that rests on the salt cached here says that the cached credential still
 * holds at that version, and one that rests on another salt says that it does not.
 */
export function lessonOf(login: Login, { code, subject, userId }: ProblemFacts): Lesson {
  if (code === 'device_revoked') return { kind: 'revoked' };
  const version = newestKnown(login.subject, subject);
  if (code === 'account_disabled') {
    // A directory's user has many names: what is known here under another one than was typed is forgotten as well.
    const id = login.method.kind === 'password' ? userId : undefined;
    return tombstone(login, 'disabled', version ?? NO_VERSION, true, id);
  }
  if (subject === undefined || version === undefined || login.method.kind !== 'derived') return { kind: 'none' };
  if (code !== 'credentials_invalid' && !AFTER_RIGHT_CREDENTIAL.includes(code)) return { kind: 'none' };
  const { cached, keys, method } = login;
  const isCachedSalt = cached !== undefined && cached.method === 'derived' && cached.salt === method.salt;
  // The typed password opened the row, and the server refuses it: whatever it is, it is not the cached credential any more.
  const contradicts = code === 'credentials_invalid' && keys.kind === 'ready' && keys.opens === true;
  if (isCachedSalt && !contradicts) return { kind: 'subject', subject: version };
  return tombstone(login, 'credential_changed', version, false);
}

/** A server named a newer salt: the credential cached here is not the user's any more. */
export function saltLesson(login: Login, salt: string, subject: Version): Lesson {
  const { cached } = login;
  if (cached === undefined || cached.method !== 'derived' || cached.salt === salt) return { kind: 'none' };
  return tombstone(login, 'credential_changed', subject, false);
}

function tombstone(
  login: Login,
  reason: 'disabled' | 'credential_changed',
  subject: Version,
  erase: boolean,
  told?: string,
): Extract<Lesson, { kind: 'tombstone' }> {
  // A user whose id was never told here is filed under the name: the version is what must not be forgotten.
  const userId = told ?? login.cached?.userId ?? `name:${login.user}`;
  return { kind: 'tombstone', tombstone: { userId, user: login.user, reason, subject }, erase };
}
