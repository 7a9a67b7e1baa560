import { type ErrorScope, isErrorCode, scopeOf, type Version } from '@thinman/protocol';
import type { Lesson } from './effect.ts';
import type { Event, GrantFacts, Heard, ProblemFacts } from './event.ts';
import { couldNotServe, gaveNoAnswer, healthOf, served, setHealth } from './health.ts';
import { nowHeld } from './held.ts';
import { askLanes, laneOver, repeatThere, setLane, setLogin } from './lanes.ts';
import { conclude, weigh } from './login.ts';
import { lessonOf, mayAskPassword, saltLesson, saltRefusal } from './login-rules.ts';
import { deviceRevoked, endSession, openSession, vouched } from './session.ts';
import { accepted } from './site.ts';
import type { Login } from './state.ts';
import { answerCounts, isBelievable, newestKnown } from './subject.ts';
import { emit, record, type Turn } from './turn.ts';

type On<K extends Event['kind']> = Extract<Event, { kind: K }>;

/** How a connection ends that a request may have passed through. Else nothing was sent, or a stranger has it. */
const BODY_MAY_BE_OUT: readonly string[] = ['reset', 'truncated'];

/** How does this user log in? */
export function onBeginAnswered(turn: Turn, { attempt, server, answer }: On<'beginAnswered'>): void {
  const login = loginAwaiting(turn, server, attempt);
  if (login === undefined) return;
  setLane(turn, server, { request: undefined, alive: true });
  if (answer.kind !== 'ok') {
    takeRefusal(turn, login, server, answer);
    return;
  }
  const { value } = answer;
  if (login.method.kind !== 'unknown') {
    askLanes(turn); // another server was quicker
    return;
  }
  if (value.method === 'password') {
    if (!mayAskPassword(login, turn.state.site)) {
      alarm(turn, server, login, 'asks for the password of a user who is no directory user');
      return;
    }
    setLogin(turn, { method: { kind: 'password' } });
    askLanes(turn);
    return;
  }
  if (counts(turn, login, value.subject)) derive(turn, login, server, value);
  else laneOver(turn, server);
}

export function onLoginAnswered(turn: Turn, { attempt, server, answer }: On<'loginAnswered'>): void {
  const login = loginAwaiting(turn, server, attempt);
  if (login === undefined) return;
  if (login.method.kind === 'password' && answer.kind === 'failed' && BODY_MAY_BE_OUT.includes(answer.reason)) {
    // Once more at most: whoever is cut twice is not asked for a third time, and nobody else either.
    if (!repeatThere(turn, server)) weigh(turn);
    return;
  }
  setLane(turn, server, { alive: true });
  if (answer.kind !== 'ok') {
    setLane(turn, server, { request: undefined });
    takeRefusal(turn, login, server, answer);
    return;
  }
  const { value } = answer;
  served(turn, server);
  setHealth(turn, server, { heard: value.serverState });
  // A directory's word is live; a local user's grant may rest on less than is known here.
  if (login.method.kind === 'password' || counts(turn, login, value.subject))
    granted(turn, login, server, attempt, value);
  else laneOver(turn, server);
}

function granted(turn: Turn, login: Login, server: string, attempt: number, grant: GrantFacts): void {
  const { user, loginId } = login;
  const { userId, credentialVersion, subject } = grant;
  const mode = grant.serverState === 'degraded' ? 'degraded' : 'online';
  accepted(turn, grant.serverVersion);
  emit(turn, { kind: 'trustTime', serverTimeMs: grant.serverTime, atMonotonicMs: turn.at.now });
  conclude(turn, { verdict: 'granted', by: 'server', server, mode, subject, attempt });
  const standing = vouched(turn, grant.sessionLifetimeMs);
  openSession(turn, { user, userId, loginId, mode, credentialVersion, standing });
  nowHeld(turn, 'user', grant.bundleVersion);
}

/** Which answer means what (`failover.md`): by the scope of its code. */
function takeRefusal(turn: Turn, login: Login, server: string, answer: Exclude<Heard<unknown>, { kind: 'ok' }>): void {
  if (answer.kind === 'failed') {
    gaveNoAnswer(turn, server, answer);
    laneOver(turn, server);
    return;
  }
  const { problem } = answer;
  switch (scopeFromServer(problem)) {
    case 'verdict':
      takeVerdict(turn, login, server, problem);
      return;
    case 'request':
      if (problem.code === 'salt_changed') {
        takeSalt(turn, login, server, problem);
        return;
      }
      deny(turn, server, problem, { kind: 'none' });
      return;
    case 'server':
      couldNotServe(turn, server, problem);
      laneOver(turn, server);
      // The password is out and may have been counted: one typed password is one bind.
      if (problem.code === 'directory_undecided') weigh(turn);
      return;
  }
}

/** Codes that no server may answer a login with are a server's trouble. */
function scopeFromServer({ code, status }: ProblemFacts): 'verdict' | 'request' | 'server' {
  const scope: ErrorScope = scopeOf(code, status);
  return scope === 'verdict' || scope === 'request' ? scope : 'server';
}

function takeVerdict(turn: Turn, login: Login, server: string, problem: ProblemFacts): void {
  const { code, subject } = problem;
  if (code === 'device_revoked') {
    if (!deviceRevoked(turn, subject)) {
      laneOver(turn, server);
      return;
    }
    deny(turn, server, problem, { kind: 'revoked' });
    return;
  }
  if (login.method.kind !== 'password' && !counts(turn, login, subject)) {
    laneOver(turn, server);
    return;
  }
  served(turn, server);
  deny(turn, server, problem, lessonOf(login, problem));
  const { session } = turn.state;
  if (code !== 'account_disabled' || session.kind !== 'open') return;
  if (session.user === login.user || session.userId === problem.userId) endSession(turn, code);
}

function deny(
  turn: Turn,
  server: string,
  { code, subject, retryAfterMs, serverTime }: ProblemFacts,
  lesson: Lesson,
): void {
  if (serverTime !== undefined) emit(turn, { kind: 'trustTime', serverTimeMs: serverTime, atMonotonicMs: turn.at.now });
  const mode = healthOf(turn.state, server).heard === 'degraded' ? 'degraded' : 'online';
  const reason = isErrorCode(code) ? code : 'bad_request';
  conclude(turn, { verdict: 'denied', reason, mode, server, subject, retryAfterMs, lesson });
}

/** Salt and parameters have changed since this device last saw them: derived anew, once, and asked again. */
function takeSalt(turn: Turn, login: Login, server: string, { now }: ProblemFacts): void {
  if (now === undefined || login.saltChanged || !counts(turn, login, now.subject)) {
    laneOver(turn, server);
    return;
  }
  const lesson = saltLesson(login, now.salt, now.subject);
  if (derive(turn, login, server, now)) {
    setLogin(turn, { saltChanged: true });
    // Known from here on, whatever becomes of this login.
    if (lesson.kind === 'tombstone') {
      emit(turn, { kind: 'setTombstone', tombstone: lesson.tombstone, erase: lesson.erase });
    }
  }
}

/** False: the parameters are refused, nothing is sent, and the next server is asked. */
function derive(
  turn: Turn,
  login: Login,
  server: string,
  { salt, kdf, subject }: NonNullable<ProblemFacts['now']>,
): boolean {
  const refusal = saltRefusal(login, salt, kdf);
  if (refusal !== undefined) {
    alarm(turn, server, login, refusal);
    return false;
  }
  setLogin(turn, {
    method: { kind: 'derived', salt, kdf },
    keys: { kind: 'deriving', salt },
    subject: newestKnown(login.subject, subject),
  });
  emit(turn, { kind: 'derive', loginId: login.loginId, salt, kdf });
  return true;
}

/** This one user's parameters are not to be trusted there: told, and never sent. Other requests are not concerned. */
function alarm(turn: Turn, server: string, login: Login, why: string): void {
  record(turn, 'alarm.kdf', { server, why }, login.user);
  setHealth(turn, server, { lastError: 'kdf_refused' });
  laneOver(turn, server);
}

function counts(turn: Turn, login: Login, subject: Version | undefined): boolean {
  return isBelievable(subject, turn.state.site.epoch) && answerCounts(subject, login.subject);
}

function loginAwaiting({ state }: Turn, server: string, attempt: number): Login | undefined {
  const { login } = state;
  if (login?.stage.kind !== 'asking') return undefined;
  const lane = login.lanes.find(each => each.server === server);
  return lane?.request?.attempt === attempt ? login : undefined;
}
