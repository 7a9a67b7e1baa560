import type { LoginOutcome } from './effect.ts';
import type { Event } from './event.ts';
import { failedHard, healthOf } from './health.ts';
import {
  activeLanes,
  askLanes,
  askNext,
  laneOver,
  probeUnasked,
  setLogin,
  settleLanes,
  unaskedServers,
} from './lanes.ts';
import { decideOffline } from './offline-login.ts';
import { patienceMs, searchNow } from './search.ts';
import { openSession } from './session.ts';
import type { AgentState, Login } from './state.ts';
import { emit, eventsWait, patch, type Turn } from './turn.ts';

type On<K extends Event['kind']> = Extract<Event, { kind: K }>;

const NO_FAILURES = { count: 0, lastMs: 0 } as const;

/** Logins queue: one at a time, in order, and none cancels another. */
export function onLoginRequested(turn: Turn, { loginId, user, at }: On<'loginRequested'>): void {
  patch(turn, { waitingLogins: [...turn.state.waitingLogins, { loginId, user, requestedAt: at.now }] });
}

/** Takes every step of the login that what is known allows. */
export function settleLogin(turn: Turn): void {
  if (turn.state.login === null) startNext(turn);
  const { login } = turn.state;
  if (login === null) return;
  if (login.stage.kind === 'asking') settleAsking(turn, login);
  else if (login.stage.kind === 'last_resort') settleLastResort(turn, login, login.stage.until);
}

function startNext(turn: Turn): void {
  const [next, ...rest] = turn.state.waitingLogins;
  if (next === undefined) return;
  const { loginId, user } = next;
  const { now } = turn.at;
  patch(turn, {
    waitingLogins: rest,
    login: {
      loginId,
      user,
      startedAt: now,
      deadlineAt: now + turn.policy.loginDeadlineMs,
      stage: { kind: 'reading' },
      method: { kind: 'unknown' },
      keys: { kind: 'none' },
      cached: undefined,
      subject: undefined,
      lanes: [],
      row: 'untried',
      saltChanged: false,
      lacksServer: false,
    },
  });
  emit(turn, { kind: 'readUser', loginId, user });
}

/** Deriving starts at once, whatever the network does: the same keys serve the proof and the cached row. */
export function onUserRead(turn: Turn, { loginId, cached, subject }: On<'userRead'>): void {
  const { login } = turn.state;
  if (login?.loginId !== loginId || login.stage.kind !== 'reading') return;
  setLogin(turn, { stage: { kind: 'asking' }, cached, subject });
  if (cached !== undefined) {
    const { salt, kdf } = cached;
    setLogin(turn, {
      method: cached.method === 'derived' ? { kind: 'derived', salt, kdf } : { kind: 'password' },
      keys: { kind: 'deriving', salt },
    });
    emit(turn, { kind: 'derive', loginId, salt, kdf });
  }
  searchNow(turn);
}

export function onDerived(turn: Turn, { loginId, salt, opens }: On<'derived'>): void {
  const { login } = turn.state;
  if (login?.loginId !== loginId || login.keys.kind !== 'deriving' || login.keys.salt !== salt) return;
  setLogin(turn, { keys: { kind: 'ready', salt, opens } });
  if (login.stage.kind === 'asking') askLanes(turn);
}

function settleAsking(turn: Turn, login: Login): void {
  if (login.deadlineAt <= turn.at.now) {
    weigh(turn);
    return;
  }
  settleLanes(turn);
  if (turn.state.login?.lacksServer) askNext(turn);
  if (turn.state.login === null || activeLanes(turn.state.login).length > 0 || askNext(turn)) return;
  resort(turn);
}

/** No server is left but those believed dead: each of them is asked for a sign of life all the same. */
function resort(turn: Turn): void {
  if (unaskedServers(turn.state).length === 0) {
    weigh(turn);
    return;
  }
  searchNow(turn);
  probeUnasked(turn);
  setLogin(turn, { stage: { kind: 'last_resort', until: turn.at.now + patienceMs(turn) } });
}

/**
 * A person whose password opens the cached row waits for none of the dead; a denial does, for what they may still say. The two are told
 * apart by that wait: so a try is counted before it begins (ADR 0012), and where none is allowed every password waits.
 */
function settleLastResort(turn: Turn, login: Login, until: number): void {
  if (askNext(turn)) {
    setLogin(turn, { stage: { kind: 'asking' } });
    return;
  }
  const { state, at } = turn;
  const hopes = unaskedServers(state).some(server => healthOf(state, server).probe !== undefined);
  if (login.row === 'opened' || !hopes || Math.min(until, login.deadlineAt) <= at.now) {
    weigh(turn);
    return;
  }
  const { keys, row, loginId, user } = login;
  if (row !== 'untried' || keys.kind !== 'ready' || keys.opens === undefined) return;
  setLogin(turn, { row: 'reading' });
  emit(turn, { kind: 'readOfflineFacts', loginId, user });
}

/** No server gave a final answer: the device decides by what it holds. What was begun meanwhile is not begun again. */
export function weigh(turn: Turn): void {
  const { login } = turn.state;
  if (login === null) return;
  endLanes(turn);
  const { row, loginId, user } = login;
  if (row === 'trying') {
    setLogin(turn, { stage: { kind: 'opening_row' } });
    return;
  }
  setLogin(turn, { stage: { kind: 'weighing' } });
  if (row !== 'reading') emit(turn, { kind: 'readOfflineFacts', loginId, user });
}

export function onOfflineFacts(turn: Turn, { loginId, facts }: On<'offlineFacts'>): void {
  const { login } = turn.state;
  if (login?.loginId !== loginId) return;
  const { stage, row, user } = login;
  if (stage.kind !== 'weighing') {
    if (row !== 'reading') return;
    // A server shows life after all, and decides: nothing is counted here.
    const isTried = stage.kind === 'last_resort' && decideOffline(facts, false).kind === 'may_open';
    setLogin(turn, { row: isTried ? 'trying' : stage.kind === 'last_resort' ? 'barred' : 'untried' });
    if (isTried) emit(turn, { kind: 'tryOffline', loginId, user });
    return;
  }
  const result = row === 'opened' || row === 'refused' || row === 'damaged' ? row : undefined;
  // The try of this very login has been counted.
  const decision = decideOffline(result === undefined ? facts : { ...facts, failures: NO_FAILURES }, false);
  if (decision.kind === 'denied') {
    conclude(turn, offlineDenial(decision.code, decision.retryAfterMs));
    return;
  }
  if (result !== undefined) {
    takeRow(turn, login, result);
    return;
  }
  setLogin(turn, { stage: { kind: 'opening_row' } });
  emit(turn, { kind: 'tryOffline', loginId, user });
}

export function onOfflineTried(turn: Turn, { loginId, result }: On<'offlineTried'>): void {
  const { login } = turn.state;
  if (login?.loginId !== loginId) return;
  const { stage, row } = login;
  if (stage.kind === 'opening_row' || (stage.kind === 'last_resort' && row === 'trying' && result === 'opened')) {
    takeRow(turn, login, result);
  } else if (row === 'trying') setLogin(turn, { row: result });
}

function takeRow(turn: Turn, { cached }: Login, result: On<'offlineTried'>['result']): void {
  if (result === 'opened' && cached !== undefined)
    conclude(turn, { verdict: 'granted', by: 'device', mode: 'offline' });
  else conclude(turn, offlineDenial(result === 'damaged' ? 'cache_damaged' : 'credentials_invalid', undefined));
}

function offlineDenial(reason: string, retryAfterMs: number | undefined): LoginOutcome {
  const lesson = { kind: 'none' } as const;
  return { verdict: 'denied', reason, mode: 'offline', server: null, subject: undefined, retryAfterMs, lesson };
}

/** The login is decided. On the disk first, then to the caller. */
export function conclude(turn: Turn, outcome: LoginOutcome): void {
  const { login } = turn.state;
  if (login === null) return;
  const { loginId, user, cached } = login;
  const answeredBy = outcome.verdict === 'granted' && outcome.by === 'server' ? outcome.attempt : undefined;
  endLanes(turn, answeredBy);
  emit(turn, { kind: 'commitLogin', loginId, user, outcome });
  eventsWait(turn);
  if (outcome.verdict === 'granted' && outcome.by === 'device' && cached !== undefined) {
    const { userId, credentialVersion } = cached;
    const standing = { kind: 'unproved', retryAt: turn.at.now, attempt: undefined } as const;
    openSession(turn, { user, userId, loginId, mode: 'offline', credentialVersion, standing });
  }
  emit(turn, { kind: 'finishLogin', loginId, outcome });
  if (outcome.verdict === 'denied') emit(turn, { kind: 'forget', loginId });
  patch(turn, { login: null });
}

/** A server that was waited for in vain, and gave no sign of life while another one decided, has failed. */
function endLanes(turn: Turn, answeredBy?: number): void {
  for (const lane of turn.state.login?.lanes ?? []) {
    if (lane.over) continue;
    const isWaitedFor = lane.probe === undefined || lane.hedgeAt === undefined;
    if (lane.request?.attempt !== answeredBy && !lane.alive && isWaitedFor) failedHard(turn, lane.server, 'timeout');
    laneOver(turn, lane.server, answeredBy);
  }
}

/** When the login next needs attention. */
export function loginDueAt({ login }: AgentState): number {
  if (login?.stage.kind === 'last_resort') return Math.min(login.stage.until, login.deadlineAt);
  if (login?.stage.kind !== 'asking') return Number.POSITIVE_INFINITY;
  return Math.min(login.deadlineAt, ...activeLanes(login).map(({ hedgeAt }) => hedgeAt ?? Number.POSITIVE_INFINITY));
}
