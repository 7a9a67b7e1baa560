import {
  type DeviceSystem,
  isErrorCode,
  type LoginGranted,
  NO_VERSION,
  type PasswordLoginRequest,
  type RecordedEvent,
} from '@thinman/protocol';
import type { DirectoryAccount, DirectoryAnswer, DirectoryTrouble } from '../directory/directories.ts';
import { type Outcome, refused } from '../http/outcome.ts';
import type { FailureFact, StoredObject } from '../ports.ts';
import { accountRefusal } from './account.ts';
import type { Bundles } from './bundles.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { DirectoryAccounts } from './directory-accounts.ts';
import { grantToDirectoryUser } from './directory-grant.ts';
import type { DirectoryPersons, Person } from './directory-persons.ts';
import { isDirectoryUser, ownWords } from './directory-user.ts';
import type { LoginGuard } from './login-guard.ts';
import { createLoginJournal } from './login-journal.ts';
import type { SessionBook } from './session-book.ts';
import { createSessionGate } from './session-gate.ts';

export type DirectoryUsers = { readonly accounts: DirectoryAccounts; readonly persons: DirectoryPersons };

export type DirectoryLogin = (device: StoredObject, request: PasswordLoginRequest) => Promise<Outcome<LoginGranted>>;

type Attempt = {
  readonly device: StoredObject;
  readonly request: PasswordLoginRequest;
  /** The typed name as failures are counted. */
  readonly key: string;
  readonly binding: string;
};

/** Answers whose password is out and counted, or may be: a repeat gets them again, and no second bind. */
type Settled =
  | { readonly binding: string; readonly kind: 'undecided' }
  /** Whose account it is, the journal does not know. */
  | { readonly binding: string; readonly kind: 'disabled'; readonly userId: string }
  | {
      readonly binding: string;
      readonly kind: 'granted';
      readonly account: DirectoryAccount;
      readonly warning: string | undefined;
    };

/** A device repeats a login within seconds; at some 300 bytes these are 1 MB. */
const MAX_SETTLED = 4_000;

/**
 * One login of a directory's user (`failover.md`): one typed password is one bind, whatever is repeated. Lockout comes before the
 * directory is asked; its verdict is final, and rests on no version. What is answered was written down before.
 */
export function createDirectoryLogin(
  deps: DeviceDeps,
  bundles: Bundles,
  guard: LoginGuard,
  { accounts, persons }: DirectoryUsers,
  book: SessionBook,
): DirectoryLogin {
  const mayOpen = createSessionGate(deps, bundles, book);
  const loginJournal = createLoginJournal(deps, guard);
  const { write } = loginJournal;
  const { directories, journal, clock, replica } = deps;
  const inFlight = new Map<string, { readonly binding: string; readonly answer: Promise<Outcome<LoginGranted>> }>();
  const settled = new Map<string, Settled>();
  const now = () => ({ serverTime: clock.nowMs() });

  async function decide(device: StoredObject, request: PasswordLoginRequest): Promise<Outcome<LoginGranted>> {
    if (!isDirectoryUser(deps, request.user)) return refused('bad_request', { detail: 'this user logs in by proof' });
    const { loginId, user, password } = request;
    const { keyHash } = device.system as DeviceSystem;
    const binding = deps.dataKey.mac('login-binding', keyHash, user, 'password', password).toString('base64url');
    const person = persons.of(user);
    const attempt: Attempt = { device, request, key: person.key, binding };

    const pending = inFlight.get(loginId);
    if (pending !== undefined) return pending.binding === binding ? pending.answer : refuseReuse(attempt);
    const known = settled.get(loginId) ?? journal.remembered(loginId);
    if (known !== undefined) return known.binding === binding ? repeat(attempt) : refuseReuse(attempt);

    const lock = lockOf(device, person);
    if (lock.kind === 'too_many_attempts') return refused(lock.kind, { retryAfterMs: lock.retryAfterMs, ...now() });
    const answer =
      lock.kind === 'account_locked' ? deny(attempt, lock.kind, { retryAfterMs: lock.retryAfterMs }) : asked(attempt);
    inFlight.set(loginId, { binding, answer });
    return answer.finally(() => inFlight.delete(loginId));
  }

  /** Guesses that are sent all at once are no more than those sent one after the other. */
  async function asked(attempt: Attempt): Promise<Outcome<LoginGranted>> {
    const { user, password } = attempt.request;
    const over = guard.trying(failureOf(attempt, 'first'));
    try {
      const said = await directories.login(user, password);
      over();
      // Before anything else can happen a failure counts by itself.
      return settle(attempt, said);
    } finally {
      over();
    }
  }

  async function settle(attempt: Attempt, said: DirectoryAnswer): Promise<Outcome<LoginGranted>> {
    const { device, request, binding } = attempt;
    if (said.kind === 'denied') {
      const { key, lock } = whoWasMeant(attempt, said.name);
      const failure = said.code === 'credentials_invalid' ? { failure: failureOf(attempt, 'first', key) } : {};
      if (lock !== undefined) return deny(attempt, lock.kind, { ...failure, ...lock.more });
      const { userId, why } = said;
      const more = why === undefined ? {} : { more: { why } };
      return deny(attempt, said.code, { ...failure, ...more, ...(userId !== undefined && { userId }) });
    }
    if (said.kind !== 'granted') {
      if (said.kind === 'undecided') remember(request.loginId, { binding, kind: said.kind });
      return troubled(said);
    }
    const { account, warning } = said;
    // The right password is no way around a lock under another name.
    const { key, lock } = whoWasMeant(attempt, account.name);
    if (lock !== undefined) {
      // Neither the answer nor its time tells that it was the right one.
      await said.untilBeat?.();
      return deny(attempt, lock.kind, lock.more);
    }
    const refusal = accountRefusal(ownWords(replica, account.name), clock.nowMs());
    if (refusal !== undefined) return deny(attempt, refusal, { userId: account.userId });
    const opening = mayOpen(device, accounts.remember(account), request.loginId, undefined);
    if (opening.kind === 'not_permitted') {
      const { kind, why, ...later } = opening;
      return deny(attempt, kind, { ...later, more: { why } });
    }
    if (opening.kind !== 'open') return deny(attempt, 'too_many_sessions', {});
    const ended = opening.ends.map(loginId => ({ loginId, atMs: clock.nowMs() }));
    remember(request.loginId, { binding, kind: 'granted', account, warning });
    const written = await write({
      events: [answered(attempt, 'granted', account.name, ended.length > 0 ? { ended: opening.ends } : {})],
      ...(ended.length > 0 && { ended }),
      remember: { loginId: request.loginId, binding, outcome: 'granted', subject: NO_VERSION },
      granted: { deviceId: device.uid, user: attempt.key, atMs: clock.nowMs() },
    });
    // Under both names: an offline session is vouched for by the one that was typed.
    if (written === undefined && key !== attempt.key) {
      await write({ events: [], granted: { deviceId: device.uid, user: key, atMs: clock.nowMs() } });
    }
    if (written !== undefined) book.closed(device.uid, request.loginId);
    return written ?? grant(attempt, account, warning);
  }

  const lockOf = (device: StoredObject, { key, also, unlockedAt }: Person) =>
    guard.decide(device.uid, key, unlockedAt, also);

  /**
   * The directory knows spellings and names of one person that nobody else knows for the same: what is counted is counted under the one that
   * it uses itself, and a lock on that one holds for the answer that tells it.
   */
  function whoWasMeant({ device, request, key: typed }: Attempt, name: string | undefined) {
    if (name === undefined) return { key: typed, lock: undefined };
    const { key, isNews } = persons.learn(request.user, name);
    if (!isNews) return { key, lock: undefined };
    guard.renamed(device.uid, typed);
    const lock = lockOf(device, persons.of(request.user));
    if (lock.kind !== 'account_locked') return { key, lock: undefined };
    return { key, lock: { kind: lock.kind, more: { retryAfterMs: lock.retryAfterMs } } };
  }

  async function deny(
    attempt: Attempt,
    code: DirectoryDenial,
    {
      failure,
      retryAfterMs,
      userId,
      more = {},
    }: {
      readonly failure?: FailureFact;
      readonly retryAfterMs?: number;
      readonly userId?: string;
      readonly more?: object;
    },
  ): Promise<Outcome<LoginGranted>> {
    const { loginId } = attempt.request;
    const later = retryAfterMs === undefined ? {} : { retryAfterMs };
    const written = await write({
      events: [answered(attempt, code, attempt.key, more)],
      remember: { loginId, binding: attempt.binding, outcome: code, subject: NO_VERSION, ...later },
      ...(failure !== undefined && { failure }),
    });
    if (written !== undefined) return written;
    if (code !== 'account_disabled' || userId === undefined) return refused(code, { ...now(), ...later });
    remember(loginId, { binding: attempt.binding, kind: 'disabled', userId });
    return refused(code, { ...now(), userId });
  }

  /** The stored verdict again; a grant only if it would be one now. */
  async function repeat(attempt: Attempt): Promise<Outcome<LoginGranted>> {
    const { loginId, user } = attempt.request;
    const held = settled.get(loginId);
    if (held?.kind === 'undecided') return troubled({ kind: 'undecided' });
    const remembered = journal.remembered(loginId);
    if (remembered !== undefined && remembered.outcome !== 'granted') {
      const { outcome, retryAfterMs } = remembered;
      const code = isErrorCode(outcome) ? outcome : 'internal';
      const more = { ...(retryAfterMs !== undefined && { retryAfterMs }), ...userOf(held) };
      return refused(code, { ...now(), ...more });
    }
    const account = held?.kind === 'granted' ? held.account : await accountNow(user);
    const warning = held?.kind === 'granted' ? held.warning : undefined;
    if (account === undefined) return troubled({ kind: 'undecided' });
    const refusal = accountRefusal(ownWords(replica, account.name), clock.nowMs());
    if (refusal === undefined) return grant(attempt, account, warning);
    return refused(refusal, { ...now(), ...(refusal === 'account_disabled' && { userId: account.userId }) });
  }

  async function accountNow(user: string): Promise<DirectoryAccount | undefined> {
    const status = await directories.status(user);
    return status.kind === 'ok' ? status.account : undefined;
  }

  function troubled(said: DirectoryTrouble): Outcome<LoginGranted> {
    switch (said.kind) {
      case 'unavailable':
        return refused('directory_unavailable', now());
      case 'undecided':
        return refused('directory_undecided', now());
      case 'overloaded':
        return refused('overloaded', { retryAfterMs: said.retryAfterMs, ...now() });
    }
  }

  function grant({ device, request, key }: Attempt, account: DirectoryAccount, warning: string | undefined) {
    guard.granted(device.uid, key);
    const { loginId, held } = request;
    return grantToDirectoryUser(deps, bundles, accounts, {
      device,
      account,
      loginId,
      held,
      warning,
      beganMs: clock.nowMs(),
    });
  }

  async function refuseReuse(attempt: Attempt): Promise<Outcome<LoginGranted>> {
    const lock = lockOf(attempt.device, persons.of(attempt.request.user));
    if (lock.kind === 'too_many_attempts') return refused(lock.kind, { retryAfterMs: lock.retryAfterMs, ...now() });
    const written = await write({ events: [], failure: failureOf(attempt, 'reused') });
    return written ?? refused('login_id_reused', now());
  }

  function remember(loginId: string, what: Settled): void {
    const [oldest] = settled.keys();
    if (settled.size >= MAX_SETTLED && oldest !== undefined) settled.delete(oldest);
    settled.set(loginId, what);
  }

  function answered({ device, request }: Attempt, outcome: string, user: string, more: object): RecordedEvent {
    return loginJournal.answered({ loginId: request.loginId, device, user, outcome, subject: null, more });
  }

  /** `user`: under which it is counted. What was sent keeps its hash, so that one guess is one also where only one of two servers knows. */
  function failureOf(
    { device, request, key, binding }: Attempt,
    which: 'first' | 'reused',
    user: string = key,
  ): FailureFact {
    const { loginId } = request;
    const sent = which === 'first' ? [loginId] : [loginId, binding];
    const sentHash = deps.dataKey.mac('failure-fact', device.uid, key, ...sent).toString('base64url');
    return { loginId, deviceId: device.uid, user, sentHash, atMs: clock.nowMs() };
  }

  return decide;
}

function userOf(held: Settled | undefined): { readonly userId?: string } {
  return held?.kind === 'disabled' ? { userId: held.userId } : {};
}

type DirectoryDenial = Extract<DirectoryAnswer, { kind: 'denied' }>['code'];
