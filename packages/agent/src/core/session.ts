import { scopeOf, type Version } from '@thinman/protocol';
import { jittered } from './backoff.ts';
import type { Event, GrantFacts, Heard } from './event.ts';
import { couldNotServe, gaveNoAnswer, healthOf, served } from './health.ts';
import { nowHeld } from './held.ts';
import { accepted } from './site.ts';
import type { AgentState, Session, SessionStanding } from './state.ts';
import { answerCounts, isBelievable, newestKnown } from './subject.ts';
import { emit, newAttempt, patch, record, type Turn } from './turn.ts';

/** A token is renewed when this part of its life is over: the last third is there for outages. */
const REFRESH_AFTER = 2 / 3;
/** A refresh or a proof that no server decided is tried again after this (± 20 %): well within the last third of 15 minutes. */
const RETRY_MS = 10_000;

type Open = Extract<Session, { kind: 'open' }>;

/** A token of a server, from now on. */
export function vouched(turn: Turn, lifetimeMs: number): SessionStanding {
  const { now } = turn.at;
  return {
    kind: 'vouched',
    refreshAt: now + Math.round(lifetimeMs * REFRESH_AFTER),
    expiresAt: now + lifetimeMs,
    attempt: undefined,
  };
}

/** Somebody is signed in now. For another user the first session ends; for the same one it goes on under the new login, unlocked. */
export function openSession(
  turn: Turn,
  session: Omit<Open, 'kind' | 'sinceWallMs' | 'idleUntil' | 'lockAt' | 'screen'>,
): void {
  const before = turn.state.session;
  const isSame = before.kind === 'open' && before.userId === session.userId;
  if (before.kind === 'open') {
    cancelAttempt(turn, before);
    if (isSame) emit(turn, { kind: 'forget', loginId: before.loginId });
    else endSession(turn, 'another_user');
  }
  const sinceWallMs = isSame ? before.sinceWallMs : turn.at.wallMs;
  patch(turn, {
    session: { kind: 'open', ...session, sinceWallMs },
    pulls: { ...turn.state.pulls, user: { kind: 'idle' } },
  });
}

/** The session ends on the device's own account or by a server's word; nothing waits for a server. */
export function endSession(turn: Turn, reason: string): void {
  const { session } = turn.state;
  if (session.kind !== 'open') return;
  cancelAttempt(turn, session);
  patch(turn, { session: { kind: 'none' } });
  record(turn, 'session.ended', { reason, loginId: session.loginId }, session.user);
  emit(turn, { kind: 'endSession', loginId: session.loginId, server: connectedServer(turn.state) });
}

export function onLogout(turn: Turn): void {
  const { session } = turn.state;
  if (session.kind !== 'open') return;
  cancelAttempt(turn, session);
  patch(turn, { session: { kind: 'none' } });
  record(turn, 'logout', { loginId: session.loginId }, session.user);
  emit(turn, { kind: 'endSession', loginId: session.loginId, server: connectedServer(turn.state) });
}

/** Said again it begins no later. Who comes back unlocks nothing by that. */
export function onActivity(turn: Turn, event: Extract<Event, { kind: 'activityReported' }>): void {
  const { session } = turn.state;
  if (session.kind !== 'open') return;
  const from = (began: number | undefined, afterMs: number) => {
    if (!event.isIdle) return undefined;
    return began ?? (afterMs > 0 ? turn.at.now + afterMs : undefined);
  };
  const idleUntil = from(session.idleUntil, event.logoutAfterMs);
  const lockAt = session.screen === 'locked' ? undefined : from(session.lockAt, event.lockAfterMs);
  patch(turn, { session: { ...session, idleUntil, lockAt } });
}

/** Everything of the session goes on but for whoever sits there: its password is asked for. */
export function onLock(turn: Turn): void {
  const { session } = turn.state;
  if (session.kind === 'open') patch(turn, { session: { ...session, screen: 'locked', lockAt: undefined } });
}

/** The device is revoked, by a word that counts: it forgets all users. False: the word is older than an acceptance. */
export function deviceRevoked(turn: Turn, subject: Version | undefined): boolean {
  if (!isBelievable(subject, turn.state.site.epoch) || !answerCounts(subject, turn.state.accepted)) return false;
  emit(turn, { kind: 'eraseUsers' });
  endSession(turn, 'device_revoked');
  return true;
}

/** Renews the token, or proves a session that no server vouches for, as soon as a server is connected. */
export function settleSession(turn: Turn): void {
  const { session } = turn.state;
  if (session.kind === 'open' && session.idleUntil !== undefined && session.idleUntil <= turn.at.now) {
    endSession(turn, 'idle');
    return;
  }
  if (session.kind === 'open' && session.lockAt !== undefined && session.lockAt <= turn.at.now) {
    onLock(turn);
    return;
  }
  if (session.kind !== 'open' || session.standing.kind === 'locked') return;
  const { standing, loginId } = session;
  const { now } = turn.at;
  if (standing.kind === 'vouched' && standing.expiresAt <= now && standing.attempt === undefined) {
    setStanding(turn, { kind: 'unproved', retryAt: now, attempt: undefined });
    return;
  }
  const server = connectedServer(turn.state);
  if (server === null || standing.attempt !== undefined || dueAt(standing) > now) return;
  const attempt = newAttempt(turn);
  setStanding(turn, { ...standing, attempt });
  if (standing.kind === 'vouched') emit(turn, { kind: 'refreshSession', attempt, server, loginId });
  else emit(turn, { kind: 'proveSession', attempt, server, loginId });
}

/** A server has something against the session: what, its refresh tells. */
export function refreshNow(turn: Turn): void {
  const { session } = turn.state;
  if (session.kind !== 'open' || session.standing.kind !== 'vouched') return;
  setStanding(turn, { ...session.standing, refreshAt: turn.at.now });
}

export function onSessionAnswered(turn: Turn, event: Extract<Event, { kind: 'sessionAnswered' }>): void {
  const session = awaiting(turn, event.attempt, 'vouched');
  if (session !== undefined && !takeRefresh(turn, session, event)) retry(turn, session);
}

/** False: nothing was decided. */
function takeRefresh(
  turn: Turn,
  session: Open,
  { answer, server, known }: Extract<Event, { kind: 'sessionAnswered' }>,
): boolean {
  if (answer.kind === 'ok') {
    const { subject, serverTime, lifetimeMs } = answer.value;
    if (!counts(turn, subject, known)) return false;
    served(turn, server);
    emit(turn, { kind: 'trustTime', serverTimeMs: serverTime, atMonotonicMs: turn.at.now });
    setStanding(turn, vouched(turn, lifetimeMs));
    return true;
  }
  if (answer.kind === 'problem' && answer.problem.code === 'session_invalid') {
    // Before its end a token is refused because somebody ended the session; after it, because it is old.
    const isOld = session.standing.kind === 'vouched' && session.standing.expiresAt <= turn.at.now;
    if (isOld) setStanding(turn, { kind: 'unproved', retryAt: turn.at.now, attempt: undefined });
    else endSession(turn, 'session_invalid');
    return true;
  }
  return endedBy(turn, session, answer, server, known);
}

export function onSessionProved(turn: Turn, event: Extract<Event, { kind: 'sessionProved' }>): void {
  const session = awaiting(turn, event.attempt, 'unproved');
  if (session !== undefined && !takeProof(turn, session, event)) retry(turn, session);
}

/** False: nothing was decided. */
function takeProof(
  turn: Turn,
  session: Open,
  { attempt, answer, server, known, newLoginId }: Extract<Event, { kind: 'sessionProved' }>,
): boolean {
  if (answer.kind === 'no_keys') {
    setStanding(turn, { kind: 'locked' });
    return true;
  }
  if (answer.kind === 'ok') {
    if (!counts(turn, answer.value.subject, known)) return false;
    proved(turn, session, server, attempt, newLoginId, answer.value);
    return true;
  }
  if (answer.kind === 'problem' && answer.problem.code === 'salt_changed') {
    const subject = answer.problem.now?.subject;
    if (subject === undefined || !counts(turn, subject, known)) return false;
    // The credential is another one now: what was typed here proves nothing any more.
    endSession(turn, 'credential_changed');
    return true;
  }
  if (answer.kind === 'problem' && answer.problem.code === 'session_invalid') {
    // Somebody ended it while no server could be reached from here.
    if (!counts(turn, answer.problem.subject, known)) return false;
    endSession(turn, 'session_invalid');
    return true;
  }
  return endedBy(turn, session, answer, server, known);
}

function proved(
  turn: Turn,
  session: Open,
  server: string,
  attempt: number,
  newLoginId: string,
  grant: GrantFacts,
): void {
  served(turn, server);
  accepted(turn, grant.serverVersion);
  nowHeld(turn, 'user', grant.bundleVersion);
  emit(turn, { kind: 'trustTime', serverTimeMs: grant.serverTime, atMonotonicMs: turn.at.now });
  const { user, loginId } = session;
  emit(turn, { kind: 'keepProof', attempt, user, from: loginId, loginId: newLoginId, subject: grant.subject });
  record(turn, 'session.proved', { loginId: newLoginId, before: loginId, server, subject: grant.subject }, user);
  patch(turn, {
    session: {
      ...session,
      loginId: newLoginId,
      mode: grant.serverState === 'degraded' ? 'degraded' : 'online',
      credentialVersion: grant.credentialVersion,
      standing: vouched(turn, grant.sessionLifetimeMs),
    },
  });
}

/** A final word of a server that ends the session. False: it decides nothing. */
function endedBy(
  turn: Turn,
  session: Open,
  answer: Exclude<Heard<unknown>, { kind: 'ok' }>,
  server: string,
  known: Version | undefined,
): boolean {
  if (answer.kind === 'failed') {
    gaveNoAnswer(turn, server, answer);
    return false;
  }
  const { code, status, subject } = answer.problem;
  const scope = scopeOf(code, status);
  if (code === 'device_revoked') return deviceRevoked(turn, subject);
  if (scope === 'verdict') {
    // A lock is a matter of attempts, not of this session.
    if (code === 'account_locked' || !counts(turn, subject, known)) return false;
    if (code === 'account_disabled') blockUser(turn, session, newestKnown(known, subject));
    endSession(turn, code);
    return true;
  }
  if (scope !== 'request') couldNotServe(turn, server, answer.problem);
  return false;
}

function blockUser(turn: Turn, { user, userId }: Open, subject: Version | undefined): void {
  const version = subject ?? turn.state.accepted;
  emit(turn, { kind: 'setTombstone', tombstone: { user, userId, reason: 'disabled', subject: version }, erase: true });
}

function counts(turn: Turn, subject: Version | undefined, known: Version | undefined): boolean {
  return isBelievable(subject, turn.state.site.epoch) && answerCounts(subject, known);
}

function retry(turn: Turn, session: Open): void {
  const at = turn.at.now + jittered(RETRY_MS, turn.at.draw);
  const { standing } = session;
  if (standing.kind === 'vouched') setStanding(turn, { ...standing, refreshAt: at, attempt: undefined });
  else if (standing.kind === 'unproved') setStanding(turn, { ...standing, retryAt: at, attempt: undefined });
}

function awaiting(turn: Turn, attempt: number, kind: 'vouched' | 'unproved'): Open | undefined {
  const { session } = turn.state;
  if (session.kind !== 'open' || session.standing.kind !== kind) return undefined;
  return session.standing.attempt === attempt ? session : undefined;
}

function cancelAttempt(turn: Turn, { standing }: Open): void {
  const attempt = standing.kind === 'locked' ? undefined : standing.attempt;
  if (attempt !== undefined) emit(turn, { kind: 'cancel', attempt });
}

function setStanding(turn: Turn, standing: SessionStanding): void {
  const { session } = turn.state;
  if (session.kind === 'open') patch(turn, { session: { ...session, standing } });
}

function dueAt(standing: Exclude<SessionStanding, { kind: 'locked' }>): number {
  return standing.kind === 'vouched' ? standing.refreshAt : standing.retryAt;
}

/** The server to talk to, if there is one that answers. */
export function connectedServer(state: AgentState): string | null {
  if (state.connectivity.kind !== 'connected') return null;
  const { server } = state.connectivity;
  return healthOf(state, server).breaker.kind === 'open' ? null : server;
}

/** When the session next needs attention. */
export function sessionDueAt(state: AgentState): number {
  const { session } = state;
  if (session.kind !== 'open') return Number.POSITIVE_INFINITY;
  const never = Number.POSITIVE_INFINITY;
  const idleUntil = Math.min(session.idleUntil ?? never, session.lockAt ?? never);
  if (session.standing.kind === 'locked' || session.standing.attempt !== undefined) return idleUntil;
  const atServer = connectedServer(state) === null ? never : dueAt(session.standing);
  const endsAt = session.standing.kind === 'vouched' ? session.standing.expiresAt : never;
  return Math.min(idleUntil, atServer, endsAt);
}
