import { verify } from 'node:crypto';
import {
  changeProofBytes,
  DEFAULT_KDF,
  type DerivedPasswordChange,
  type DeviceSystem,
  type DirectoryPasswordChange,
  isOlder,
  isRaised,
  kdfRefusal,
  type PasswordChanged,
  type PasswordChangeRequest,
  problem,
  type UserBody,
  type UserCredential,
  type UserSystem,
  type Version,
} from '@thinman/protocol';
import { commit, refusalUnlessPrimary, type Work } from '../admin-plane/commit.ts';
import { done, type Outcome, refused, refusingTrouble } from '../http/outcome.ts';
import { publicKeyFromRaw } from '../identity/raw-keys.ts';
import { JournalUnavailable } from '../journal/errors.ts';
import type { FailureFact, StoredObject } from '../ports.ts';
import { accountRefusal } from './account.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { DirectoryPersons, Person } from './directory-persons.ts';
import type { LoginGuard } from './login-guard.ts';
import { derivedMethod, type Standing, standingOf } from './user-credential.ts';

export type ChangePassword = (
  device: StoredObject,
  request: PasswordChangeRequest,
  known?: Version | undefined,
) => Promise<Outcome<PasswordChanged>>;

/** A salt has 16 bytes, as an agent asks of servers. */
const saltBytes = (salt: string) => Buffer.from(salt, 'base64url').length;

/**
 * A user's own change of password, on the Primary alone (ADR 0059). It is guarded as a login is: what counts there counts here, and
 * nothing is told of an account before the old key was right.
 */
export function createPasswordChange(deps: DeviceDeps, guard: LoginGuard, persons: DirectoryPersons): ChangePassword {
  const { identity, journal, clock } = deps;
  const now = () => ({ serverTime: clock.nowMs() });

  /** `typed`: what the same guess is called at every server. */
  function failureOf(device: StoredObject, user: string, changeId: string, typed = user): FailureFact {
    const sentHash = deps.dataKey.mac('failure-fact', device.uid, typed, changeId).toString('base64url');
    return { loginId: changeId, deviceId: device.uid, user, sentHash, atMs: clock.nowMs() };
  }

  async function failed(
    device: StoredObject,
    user: string,
    changeId: string,
    typed = user,
  ): Promise<Outcome<never> | undefined> {
    const failure = failureOf(device, user, changeId, typed);
    const counted = guard.counting(failure);
    try {
      await journal.append({ events: [], failure });
      return undefined;
    } catch (error) {
      if (error instanceof JournalUnavailable) return refused('not_serving');
      throw error;
    } finally {
      counted();
    }
  }

  function locked(device: StoredObject, { key, also, unlockedAt }: Person): Outcome<never> | undefined {
    const lock = guard.decide(device.uid, key, unlockedAt, also);
    return lock.kind === 'open' ? undefined : refused(lock.kind, { retryAfterMs: lock.retryAfterMs, ...now() });
  }

  async function ofDirectory(
    device: StoredObject,
    request: DirectoryPasswordChange,
  ): Promise<Outcome<PasswordChanged>> {
    const { user, password, newPassword, changeId } = request;
    if (deps.directories.claims(user) === 'none') return refused('bad_request', { detail: 'this user signs' });
    const person = persons.of(user);
    const { key } = person;
    const lock = locked(device, person);
    if (lock !== undefined) return lock;
    // As at a login: guesses that are sent all at once are no more than those sent one after the other.
    const over = guard.trying(failureOf(device, key, changeId));
    try {
      const changed = await deps.directories.changePassword(user, password, newPassword);
      over();
      // Before anything else can happen a failure counts by itself.
      return settle(device, request, key, changed);
    } finally {
      over();
    }
  }

  async function settle(
    device: StoredObject,
    { user, changeId }: DirectoryPasswordChange,
    typed: string,
    changed: Awaited<ReturnType<typeof deps.directories.changePassword>>,
  ): Promise<Outcome<PasswordChanged>> {
    switch (changed.kind) {
      case 'changed':
        return done({ credentialVersion: 0, ...now() });
      case 'denied': {
        const { code, name } = changed;
        const { key, isNews } = name === undefined ? { key: typed, isNews: false } : persons.learn(user, name);
        if (isNews) guard.renamed(device.uid, typed);
        const lock = isNews ? locked(device, persons.of(user)) : undefined;
        const written = code === 'credentials_invalid' ? await failed(device, key, changeId, typed) : undefined;
        return written ?? lock ?? refused(code, now());
      }
      case 'policy':
      case 'not_possible':
        return refused('password_refused', { detail: changed.why });
      case 'overloaded':
        return refused('overloaded', { retryAfterMs: changed.retryAfterMs });
      case 'unavailable':
        return refused('directory_unavailable');
      case 'undecided':
        return refused('directory_unavailable', { detail: 'Whether the password was changed is not known.' });
    }
  }

  function signedBy(publicKey: string, proof: string, device: StoredObject, request: DerivedPasswordChange): boolean {
    const key = publicKeyFromRaw('Ed25519', publicKey);
    const { user, changeId, why, next } = request;
    const deviceKeyHash = (device.system as DeviceSystem).keyHash;
    const at = { siteId: identity.siteId, serverKeyHash: identity.keyHash, deviceKeyHash };
    const bytes = changeProofBytes({ ...at, user, changeId, why, next });
    return key !== undefined && verify(null, bytes, key, Buffer.from(proof, 'base64url'));
  }

  /** The answer to the first one was lost. */
  function isRepeat({ credential }: Standing, device: StoredObject, request: DerivedPasswordChange): boolean {
    const { salt, publicKey } = request.next;
    const isHeld = credential.salt === salt && credential.publicKey === publicKey;
    return isHeld && signedBy(publicKey, request.nextProof, device, request);
  }

  /** What is wrong with the new key, whoever asks. */
  function unfit({ next, salt, kdf, why }: DerivedPasswordChange): string | undefined {
    if (next.salt === salt) return 'next.salt: is the one before';
    const wanted = deps.site.settings().kdf ?? DEFAULT_KDF;
    if (why === 'raised' && !isRaised(next.kdf, kdf)) return 'next.kdf: costs no more than the one before';
    if (why === 'raised' && isRaised(wanted, next.kdf)) return 'next.kdf: costs less than the site asks for';
    return kdfRefusal(next.kdf, saltBytes(next.salt), kdf);
  }

  async function ofLocalUser(
    device: StoredObject,
    request: DerivedPasswordChange,
    known: Version | undefined,
  ): Promise<Outcome<PasswordChanged>> {
    const standing = standingOf(deps, request.user);
    const { subject, credential, name, user } = standing;
    if (known !== undefined && isOlder(subject, known)) return refused('user_outdated', now());
    if (isRepeat(standing, device, request)) return done({ subject, credentialVersion: credential.version, ...now() });
    const lock = locked(device, { key: name, also: [], unlockedAt: user?.body.unlockedAt });
    if (lock !== undefined) return lock;
    if (
      request.salt !== credential.salt ||
      isRaised(request.kdf, credential.kdf) ||
      isRaised(credential.kdf, request.kdf)
    ) {
      guard.asked(device.uid, name);
      return { ok: false, problem: { ...problem('salt_changed', now()), ...{ now: derivedMethod(standing) } } };
    }
    if (!signedBy(credential.publicKey, request.proof, device, request) || user === undefined) {
      return (await failed(device, name, request.changeId)) ?? refused('credentials_invalid', { subject, ...now() });
    }
    const refusal = accountRefusal(user.body, clock.nowMs());
    if (refusal !== undefined) return refused(refusal, { subject, ...now() });
    const wrong =
      unfit(request) ??
      (signedBy(request.next.publicKey, request.nextProof, device, request) ? undefined : 'nextProof: does not fit');
    if (wrong !== undefined) return refused('bad_request', { detail: wrong });
    return write(user, credential, request);
  }

  async function write(
    user: StoredObject,
    before: Standing['credential'],
    request: DerivedPasswordChange,
  ): Promise<Outcome<PasswordChanged>> {
    const actor = { name: `user:${user.name}`, role: 'owner' } as const;
    const outcome = await commit(deps.write, actor, async (transaction): Promise<Work<UserCredential | undefined>> => {
      const current = await transaction.get('User', user.name);
      const held = (current?.system as UserSystem | undefined)?.credential;
      // Somebody else was quicker: the password that was typed is not the one that would be replaced.
      const isSame = current?.uid === user.uid && held?.publicKey === before.publicKey && held.salt === before.salt;
      if (current === undefined || held === undefined || !isSame) return { result: undefined, touched: [] };
      const credential = nextOf(held, request, clock.nowMs());
      const { passwordExpiresAt: _over, ...body } = current.body as UserBody;
      const kept = request.why === 'raised' ? { ...current.body } : body;
      await transaction.put('User', user.name, kept, { ...current.system, credential });
      return { result: credential, touched: [{ kind: 'User', name: user.name, change: 'updated' }] };
    });
    if (!outcome.ok) return outcome;
    const { version, result } = outcome.value;
    if (result === undefined) return refused('credentials_invalid', now());
    return done({ subject: version, credentialVersion: result.version, ...now() });
  }

  return async (device, request, known) => {
    const notHere = refusalUnlessPrimary(deps.write);
    if (notHere !== undefined) return notHere;
    return refusingTrouble(() =>
      request.method === 'password' ? ofDirectory(device, request) : ofLocalUser(device, request, known),
    );
  };
}

function nextOf(held: UserCredential, { next, why }: DerivedPasswordChange, nowMs: number): UserCredential {
  if (why === 'raised') return { ...held, ...next, raises: (held.raises ?? 0) + 1 };
  return { ...next, version: held.version + 1, changedAt: nowMs };
}
