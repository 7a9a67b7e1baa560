import {
  DEFAULT_KDF,
  type DerivedLoginRequest,
  type DeviceSystem,
  type ErrorCode,
  isErrorCode,
  isOlder,
  isRaised,
  type KdfParameters,
  type LoginGranted,
  type LoginRequest,
  type Problem,
  problem,
  type VerdictCode,
  type Version,
} from '@thinman/protocol';
import { refusalUnlessPrimary } from '../admin-plane/commit.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { FailureFact, RememberedLogin, StoredObject } from '../ports.ts';
import { accountRefusal, passwordAge } from './account.ts';
import type { Bundles } from './bundles.ts';
import type { DeviceDeps } from './device-deps.ts';
import { createDirectoryLogin, type DirectoryUsers } from './directory-login.ts';
import type { LoginGuard } from './login-guard.ts';
import { createLoginJournal } from './login-journal.ts';
import { proofFits } from './login-proof.ts';
import type { SessionBook } from './session-book.ts';
import { createSessionGate, type ProvedSession } from './session-gate.ts';
import { derivedMethod, type Standing, standingOf } from './user-credential.ts';

/** `known`: the newest version of the User object that the device says it knows. `proved`: of the session that is open already. */
export type Login = (
  device: StoredObject,
  request: LoginRequest,
  known?: Version | undefined,
  proved?: ProvedSession | undefined,
) => Promise<Outcome<LoginGranted>>;

type Verdict =
  | {
      readonly kind: 'granted';
      readonly user: NonNullable<Standing['user']>;
      readonly ends: readonly string[];
      readonly beganMs: number;
      readonly warning?: string;
    }
  | {
      readonly kind: 'denied';
      readonly code: Denial;
      readonly counts: boolean;
      readonly retryAfterMs?: number;
      readonly why?: string;
    };

/** `session_invalid`: of a session that is proved, and has been ended meanwhile. */
type Denial = VerdictCode | 'session_invalid';

type Attempt = {
  readonly device: StoredObject;
  readonly deviceKeyHash: string;
  readonly request: DerivedLoginRequest;
  readonly standing: Standing;
  readonly proved: ProvedSession | undefined;
};

/**
 * One login, decided (`failover.md`, "Which answer means what", "Lockout"). The order is what keeps secrets: memory of the
 * loginId, lockout, salt, proof, and only then what an administrator has said of the account. A verdict is answered when
 * its event, the memory of the loginId, and the failure or grant are on disk, in one write.
 */
export function createLogin(
  deps: DeviceDeps,
  bundles: Bundles,
  guard: LoginGuard,
  ofDirectories: DirectoryUsers,
  book: SessionBook,
): Login {
  const directoryLogin = createDirectoryLogin(deps, bundles, guard, ofDirectories, book);
  const mayOpen = createSessionGate(deps, bundles, book);
  const { write, answered } = createLoginJournal(deps, guard);
  const { identity, journal, clock } = deps;
  /** Logins whose verdict is on its way to the disk: a repeat waits for it, another proof is refused. */
  const inFlight = new Map<string, { readonly binding: string; readonly answer: Promise<Outcome<LoginGranted>> }>();

  async function decide(
    device: StoredObject,
    request: LoginRequest,
    known: Version | undefined,
    proved: ProvedSession | undefined,
  ): Promise<Outcome<LoginGranted>> {
    if (request.method === 'password') return directoryLogin(device, request);
    const standing = standingOf(deps, request.user);
    // The device would ignore the verdict: none is given, and nothing that it can learn from, nor is there a failure to count.
    if (known !== undefined && isOlder(standing.subject, known)) return refused('user_outdated', now());
    const deviceKeyHash = (device.system as DeviceSystem).keyHash;
    const attempt: Attempt = { device, deviceKeyHash, request, standing, proved };
    const { loginId } = request;
    const binding = bindingOf(attempt);

    const pending = inFlight.get(loginId);
    if (pending !== undefined) return pending.binding === binding ? pending.answer : refuseReuse(attempt);
    const remembered = journal.remembered(loginId);
    if (remembered !== undefined) {
      return remembered.binding === binding ? repeat(attempt, remembered) : refuseReuse(attempt);
    }

    const lock = guard.decide(device.uid, standing.name, standing.user?.body.unlockedAt);
    if (lock.kind === 'too_many_attempts') return refused(lock.kind, { retryAfterMs: lock.retryAfterMs, ...now() });
    if (lock.kind === 'open' && !restsOnCurrentSalt(request, standing)) {
      guard.asked(device.uid, standing.name);
      const changed: Problem & { now: unknown } = { ...problem('salt_changed', now()), now: derivedMethod(standing) };
      return { ok: false, problem: changed };
    }
    const verdict: Verdict =
      lock.kind === 'account_locked'
        ? { kind: 'denied', code: lock.kind, counts: false, retryAfterMs: lock.retryAfterMs }
        : judge(attempt);
    const answer = settle(attempt, binding, verdict);
    inFlight.set(loginId, { binding, answer });
    return answer.finally(() => inFlight.delete(loginId));
  }

  const now = () => ({ serverTime: clock.nowMs() });

  /** Another server, device, user or proof makes another binding. */
  function bindingOf({ deviceKeyHash, request: { user, proof, salt } }: Attempt): string {
    return deps.dataKey.mac('login-binding', deviceKeyHash, user, salt, proof).toString('base64url');
  }

  /** Reasons other than `credentials_invalid` are told only after a right credential. */
  function judge({ device, standing, request, deviceKeyHash, proved }: Attempt): Verdict {
    const at = { siteId: identity.siteId, serverKeyHash: identity.keyHash, deviceKeyHash };
    const fits = proofFits(standing.credential.publicKey, request, at);
    const { user } = standing;
    if (!fits || user === undefined) return { kind: 'denied', code: 'credentials_invalid', counts: true };
    const refusal = accountRefusal(user.body, clock.nowMs());
    if (refusal !== undefined) return { kind: 'denied', code: refusal, counts: false };
    const age = passwordAge(user.body, clock.nowMs(), deps.primaryReachable());
    if (age.kind === 'expired') return { kind: 'denied', code: 'password_expired', counts: false };
    const opening = mayOpen(device, user, request.loginId, proved);
    if (opening.kind === 'not_permitted') {
      const { kind: code, ...why } = opening;
      return { kind: 'denied', code, counts: false, ...why };
    }
    if (opening.kind !== 'open') return { kind: 'denied', code: opening.kind, counts: false };
    const { ends, beganMs } = opening;
    return { kind: 'granted', user, ends, beganMs, ...(age.warning !== undefined && { warning: age.warning }) };
  }

  async function settle(attempt: Attempt, binding: string, verdict: Verdict): Promise<Outcome<LoginGranted>> {
    const { device, request, standing } = attempt;
    const { subject, name } = standing;
    const outcome = verdict.kind === 'granted' ? verdict.kind : verdict.code;
    const retryAfterMs = verdict.kind === 'denied' ? verdict.retryAfterMs : undefined;
    const remember: RememberedLogin = {
      loginId: request.loginId,
      binding,
      outcome,
      subject,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
    const failure = verdict.kind === 'denied' && verdict.counts ? failureOf(attempt, 'first') : undefined;
    const written = await write({
      events: [
        answered({ ...{ loginId: request.loginId, device, user: name }, outcome, subject, more: moreOf(verdict) }),
      ],
      remember,
      ...(failure !== undefined && { failure }),
      ...(verdict.kind === 'granted' &&
        verdict.ends.length > 0 && { ended: verdict.ends.map(loginId => ({ loginId, atMs: clock.nowMs() })) }),
      ...(verdict.kind === 'granted' && { granted: { deviceId: device.uid, user: name, atMs: clock.nowMs() } }),
    });
    if (written !== undefined) {
      book.closed(device.uid, request.loginId);
      return written;
    }
    if (verdict.kind === 'granted') return grant(attempt, verdict);
    return deny(verdict.code, subject, retryAfterMs);
  }

  /** The stored verdict again. A grant is still one only if it would be one now: the account may have changed since. */
  async function repeat(attempt: Attempt, remembered: RememberedLogin): Promise<Outcome<LoginGranted>> {
    const { outcome, subject, retryAfterMs } = remembered;
    if (outcome !== 'granted' && isErrorCode(outcome)) return deny(outcome, subject, retryAfterMs);
    const verdict = judge(attempt);
    return verdict.kind === 'granted'
      ? grant(attempt, verdict)
      : deny(verdict.code, attempt.standing.subject, verdict.retryAfterMs);
  }

  function deny(code: ErrorCode, subject: Version, retryAfterMs?: number) {
    return refused(code, { subject, ...now(), ...(retryAfterMs !== undefined && { retryAfterMs }) });
  }

  async function refuseReuse(attempt: Attempt): Promise<Outcome<LoginGranted>> {
    const { device, standing } = attempt;
    const lock = guard.decide(device.uid, standing.name, standing.user?.body.unlockedAt);
    // One that is stopped already is not counted on and on: each failure is a row on every server.
    if (lock.kind === 'too_many_attempts') return refused(lock.kind, { retryAfterMs: lock.retryAfterMs, ...now() });
    const written = await write({ events: [], failure: failureOf(attempt, 'reused') });
    return written ?? refused('login_id_reused', now());
  }

  async function grant(attempt: Attempt, { user, warning, beganMs }: Extract<Verdict, { kind: 'granted' }>) {
    const { device, deviceKeyHash, request, standing } = attempt;
    guard.granted(device.uid, standing.name);
    const content = bundles.user(device, user);
    const { version } = bundles.versioned(content);
    const { version: credentialVersion } = standing.credential;
    const raise = raiseOf(standing);
    const session = await deps.sessions.issue({
      loginId: request.loginId,
      userId: user.uid,
      user: user.name,
      deviceKeyHash,
      credentialVersion,
      startedAt: beganMs,
    });
    return done<LoginGranted>({
      verdict: 'granted',
      loginId: request.loginId,
      subject: standing.subject,
      credentialVersion,
      server: { name: identity.name, state: deps.state(), version },
      ...now(),
      session,
      bundle:
        request.held === content.etag ? { unchanged: true, etag: content.etag, version } : { ...content, version },
      ...(raise !== undefined && { raise }),
      ...(warning !== undefined && { warning }),
    });
  }

  /** Only where it can be done at once. */
  function raiseOf({ credential }: Standing): KdfParameters | undefined {
    const wanted = deps.site.settings().kdf ?? DEFAULT_KDF;
    if (!isRaised(wanted, credential.kdf) || deps.state() !== 'serving') return undefined;
    return refusalUnlessPrimary(deps.write) === undefined ? wanted : undefined;
  }

  /**
   * One typed password is one fact, also when two servers were asked (their proofs differ, the loginId does not); each
   * further proof under the same loginId is one more.
   */
  function failureOf({ device, request, standing }: Attempt, which: 'first' | 'reused'): FailureFact {
    const { name } = standing;
    const { loginId, proof } = request;
    const sent = which === 'first' ? [loginId] : [loginId, proof];
    const sentHash = deps.dataKey.mac('failure-fact', device.uid, name, ...sent).toString('base64url');
    return { loginId, deviceId: device.uid, user: name, sentHash, atMs: clock.nowMs() };
  }

  return async (device, request, known, proved) => {
    const beganMs = clock.monotonicMs();
    const outcome = await decide(device, request, known, proved);
    const label = outcome.ok ? 'granted' : outcome.problem.code;
    deps.metrics.loginAnswered(label, clock.monotonicMs() - beganMs);
    return outcome;
  };
}

/** What the event says of it beside the verdict. */
function moreOf(verdict: Verdict): object {
  if (verdict.kind === 'granted') return verdict.ends.length > 0 ? { ended: verdict.ends } : {};
  return verdict.why === undefined ? {} : { why: verdict.why };
}

function restsOnCurrentSalt(request: DerivedLoginRequest, { credential }: Standing): boolean {
  return request.salt === credential.salt && sameKdf(request.kdf, credential.kdf);
}

function sameKdf(a: KdfParameters, b: KdfParameters): boolean {
  return a.algorithm === b.algorithm && a.memoryKib === b.memoryKib && a.passes === b.passes && a.lanes === b.lanes;
}
