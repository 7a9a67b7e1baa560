import { randomBytes } from 'node:crypto';
import {
  type DerivedPasswordChange,
  isOlder,
  type KdfParameters,
  kdfRefusal,
  MAX_PASSWORD_LENGTH,
  MIN_PASSWORD_LENGTH,
  type NextCredential,
  type PasswordChanged,
  type PasswordChangeRequest,
  type PasswordResult,
  type Problem,
  SALT_BYTES,
  type StatementServer,
  scopeOf,
} from '@thinman/protocol';
import { mayAskPassword } from '../core/login-rules.ts';
import type { Answer, BaseKey, CachedLogin } from '../ports.ts';
import type { Context } from './context.ts';
import type { Grants } from './grants.ts';
import { type Secrets, withKeys } from './keyring.ts';
import { unlessTrouble } from './store.ts';

/** A commit on a database that is busy, and as much again; a directory's own change. */
const CHANGE_DEADLINE_MS = 15_000;

/** Replaces users' keys on the Primary: by a new password, or by the same one at a higher cost (ADR 0059). */
export function createPasswordDesk(
  context: Context,
  grants: Pick<Grants, 'rowOf' | 'about'>,
  primary: () => StatementServer | undefined,
) {
  const { cache, client, clock, hasher, keyring, newId, sealing } = context;
  const knownSubject = (user: string) => unlessTrouble(() => cache.knownSubject(user))?.done;
  const cachedLogin = (user: string) => unlessTrouble(() => cache.cachedLogin(user))?.done;

  function limited<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const stop = clock.after(CHANGE_DEADLINE_MS, () => controller.abort());
    return call(controller.signal).finally(stop);
  }

  /** Sent again once where the answer was lost: under the same id it is one change. */
  async function send(server: StatementServer, request: PasswordChangeRequest): Promise<Answer<PasswordChanged>> {
    const ask = () => limited(signal => client.changePassword(server, request, knownSubject(request.user), signal));
    const first = await ask();
    return first.kind === 'failed' && request.method === 'derived' ? ask() : first;
  }

  function signedChange(
    server: StatementServer,
    user: string,
    old: { readonly base: BaseKey; readonly salt: string; readonly kdf: KdfParameters },
    next: { readonly base: BaseKey; readonly salt: string; readonly kdf: KdfParameters },
    why: DerivedPasswordChange['why'],
  ): DerivedPasswordChange {
    const changeId = newId();
    const { salt, kdf } = next;
    const publicKey = withKeys(next.base, '', keys => keys.publicKey);
    const credential: NextCredential = { salt, kdf, publicKey };
    const parts = { serverKeyHash: server.keyHash, user, changeId, why, next: credential };
    const proof = withKeys(old.base, '', keys => keys.changeProof(parts));
    const nextProof = withKeys(next.base, '', keys => keys.changeProof(parts));
    const { salt: oldSalt, kdf: oldKdf } = old;
    return { changeId, user, method: 'derived', why, salt: oldSalt, kdf: oldKdf, proof, next: credential, nextProof };
  }

  /** The old cached login goes in the same moment: sealed anew, or blocked where the old password did not open it. */
  function replaceRow(
    user: string,
    old: BaseKey,
    next: BaseKey,
    request: DerivedPasswordChange,
    done: PasswordChanged,
  ) {
    const cached = cachedLogin(user);
    const { subject, credentialVersion } = done;
    if (cached === undefined || subject === undefined) return;
    const { userId } = cached;
    const bundle = withKeys(old, userId, keys =>
      sealing.open(cached.sealed, keys, grants.about(userId, cached.bundleVersion)),
    );
    if (bundle === undefined || cached.salt !== request.salt) {
      unlessTrouble(() => cache.setTombstone({ user, userId, reason: 'credential_changed', subject }, false));
      return;
    }
    const sealed = withKeys(next, userId, keys =>
      sealing.seal(bundle, keys, grants.about(userId, cached.bundleVersion)),
    );
    const { salt, kdf } = request.next;
    const save: CachedLogin = { ...cached, salt, kdf, subject, credentialVersion, sealed };
    unlessTrouble(() => cache.commitLogin({ user, save, clearFailures: true, clearTombstoneOf: userId }));
  }

  async function changeDerived(
    server: StatementServer,
    user: string,
    password: string,
    newPassword: string,
    { salt, kdf }: { readonly salt: string; readonly kdf: KdfParameters },
  ): Promise<PasswordResult> {
    const newSalt = randomBytes(SALT_BYTES).toString('base64url');
    const base = await hasher.derive(password, salt, kdf);
    const next = await hasher.derive(newPassword, newSalt, kdf);
    try {
      const request = signedChange(server, user, { base, salt, kdf }, { base: next, salt: newSalt, kdf }, 'changed');
      const answer = await send(server, request);
      if (answer.kind !== 'ok') return refusalOf(user, answer);
      replaceRow(user, base, next, request, answer.value);
      return { changed: true, reason: null, user };
    } finally {
      base.dispose();
      next.dispose();
    }
  }

  return {
    async change(user: string, password: string, newPassword: string): Promise<PasswordResult> {
      const unfit = unfitFor(password, newPassword);
      if (unfit !== undefined) return refusal(user, 'password_refused', unfit);
      const server = primary();
      if (server === undefined) return refusal(user, 'primary_needed');
      const begun = await limited(signal => client.begin(server, user, signal));
      if (begun.kind !== 'ok') return refusalOf(user, begun);
      const cached = cachedLogin(user);
      if (begun.value.method === 'password') {
        if (!mayAskPassword({ user, cached }, context.state().site)) return refusal(user, 'password_refused');
        const request = { method: 'password', changeId: newId(), user, password, newPassword } as const;
        const answer = await send(server, request);
        return answer.kind === 'ok' ? { changed: true, reason: null, user } : refusalOf(user, answer);
      }
      const { salt, kdf, subject } = begun.value;
      const known = knownSubject(user);
      if (known !== undefined && isOlder(subject, known)) return refusal(user, 'primary_needed');
      const lastUsed = cached?.method === 'derived' ? cached.kdf : undefined;
      const why = kdfRefusal(kdf, Buffer.from(salt, 'base64url').length, lastUsed);
      if (why !== undefined) {
        context.record('alarm.kdf', { server: server.name, why }, user);
        return refusal(user, 'primary_needed', why);
      }
      return changeDerived(server, user, password, newPassword, { salt, kdf });
    },

    /** After a grant, while the password is still there: what comes of it, nobody waits for. */
    async raise(loginId: string, secrets: Secrets, kdf: KdfParameters): Promise<void> {
      const server = primary();
      const { user, password, salt: oldSalt, kdf: oldKdf } = secrets;
      const old = oldSalt === undefined ? undefined : secrets.ready.get(oldSalt);
      if (server === undefined || password === undefined || old === undefined) return;
      if (oldSalt === undefined || oldKdf === undefined) return;
      if (kdfRefusal(kdf, SALT_BYTES, oldKdf) !== undefined) return;
      const salt = randomBytes(SALT_BYTES).toString('base64url');
      const next = await hasher.derive(password, salt, kdf);
      const isHeld = () => keyring.get(loginId) === secrets;
      const answer = isHeld()
        ? await send(
            server,
            signedChange(server, user, { base: old, salt: oldSalt, kdf: oldKdf }, { base: next, salt, kdf }, 'raised'),
          )
        : undefined;
      if (answer?.kind !== 'ok' || !isHeld() || answer.value.subject === undefined) return next.dispose();
      secrets.bases.set(salt, Promise.resolve(next));
      secrets.ready.set(salt, next);
      secrets.salt = salt;
      secrets.kdf = kdf;
      const { opened, cached } = secrets;
      if (opened === undefined || cached === undefined) return;
      const { method, credentialVersion, lastOnlineMs, used } = cached;
      const save = grants.rowOf(secrets, opened, {
        method,
        credentialVersion,
        lastOnlineMs,
        subject: answer.value.subject,
        ...(used !== undefined && { used }),
      });
      secrets.cached = save ?? cached;
      if (save === undefined || opened.offline.keep === false) return;
      // Of one who was forgotten meanwhile nothing comes back.
      unlessTrouble(() => cache.cachedLogin(user) !== undefined && cache.commitLogin({ user, save }));
    },
  };
}
export type PasswordDesk = ReturnType<typeof createPasswordDesk>;

/** What the server cannot see, as it never has the password. */
function unfitFor(password: string, newPassword: string): string | undefined {
  const { length } = [...newPassword.normalize('NFC')];
  if (length < MIN_PASSWORD_LENGTH) return `it needs ${MIN_PASSWORD_LENGTH} characters and more`;
  if (newPassword.length > MAX_PASSWORD_LENGTH) return `it has more than ${MAX_PASSWORD_LENGTH} characters`;
  return newPassword.normalize('NFC') === password.normalize('NFC') ? 'it is the old one' : undefined;
}

function refusal(user: string, reason: string, detail?: string, retryAfterMs?: number): PasswordResult {
  const more = { ...(detail !== undefined && { detail }), ...(retryAfterMs !== undefined && { retryAfterMs }) };
  return { changed: false, reason, user, ...more };
}

function refusalOf(user: string, answer: Exclude<Answer<unknown>, { kind: 'ok' }>): PasswordResult {
  if (answer.kind === 'failed') return refusal(user, 'primary_needed', answer.reason);
  const { code, status, detail, retryAfterMs }: Problem = answer.problem;
  const scope = scopeOf(code, status);
  const isAbsent =
    code === 'not_found' ||
    (scope === 'server' && code !== 'directory_unavailable' && code !== 'overloaded') ||
    scope === 'admin';
  return refusal(user, isAbsent ? 'primary_needed' : code, detail, retryAfterMs);
}
