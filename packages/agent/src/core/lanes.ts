import type { Event } from './event.ts';
import { couldNotServe, failedHard, gaveNoAnswer, heardFrom, hedgeDelayMs, noteRoundTrip, probe } from './health.ts';
import { patienceMs } from './search.ts';
import { candidatesOf, loginOrder } from './server-selection.ts';
import type { AgentState, Lane, Login } from './state.ts';
import { emit, newAttempt, patch, type Turn } from './turn.ts';

/** A lane is one server's part in one login: a probe for a sign of life, and the request itself as soon as it can be made. */

export function setLogin(turn: Turn, change: Partial<Login>): void {
  if (turn.state.login !== null) patch(turn, { login: { ...turn.state.login, ...change } });
}

export function setLane(turn: Turn, server: string, change: Partial<Lane>): void {
  const lanes = turn.state.login?.lanes ?? [];
  setLogin(turn, { lanes: lanes.map(lane => (lane.server === server ? { ...lane, ...change } : lane)) });
}

export function activeLanes(login: Login): readonly Lane[] {
  return login.lanes.filter(({ over }) => !over);
}

/** The next server that this login has not asked; undefined: none is fit. */
function nextTarget({ state }: Turn): string | undefined {
  const current = state.connectivity.kind === 'connected' ? state.connectivity.server : undefined;
  const asked = new Set(state.login?.lanes.map(({ server }) => server));
  return loginOrder(candidatesOf(state.servers, state.health), current).find(server => !asked.has(server));
}

/** Asks one more server. False: there is none. */
export function askNext(turn: Turn): boolean {
  const server = nextTarget(turn);
  if (server === undefined || turn.state.login === null) return false;
  const attempt = newAttempt(turn);
  const hedgeMs = hedgeDelayMs(turn, server);
  emit(turn, { kind: 'probe', attempt, server, deadlineMs: hedgeMs });
  const lane: Lane = {
    server,
    probe: attempt,
    request: undefined,
    alive: false,
    hedgeAt: turn.at.now + hedgeMs,
    over: false,
  };
  setLogin(turn, { lanes: [...turn.state.login.lanes, lane], lacksServer: false });
  askLane(turn, server);
  return true;
}

/** Those that this login has not asked, believed dead or not. */
export function unaskedServers({ servers, login }: AgentState): readonly string[] {
  const asked = new Set(login?.lanes.map(({ server }) => server));
  return servers.map(({ name }) => name).filter(name => !asked.has(name));
}

/** What is known of the dead may be minutes old: they are asked for a sign of life when nobody else is left. */
export function probeUnasked(turn: Turn): void {
  const deadlineMs = patienceMs(turn);
  for (const server of unaskedServers(turn.state)) probe(turn, server, 'search', deadlineMs);
}

/** Sends a lane what can be sent now: how does the user log in, or the login itself. */
export function askLane(turn: Turn, server: string): void {
  const { login } = turn.state;
  const lane = login?.lanes.find(each => each.server === server);
  if (login === null || lane === undefined || lane.over || lane.request !== undefined) return;
  const { method, keys, loginId } = login;
  const deadlineMs = Math.max(login.deadlineAt - turn.at.now, 0);
  const opened = keys.kind === 'ready' && keys.opens === true;
  if (method.kind === 'unknown') {
    const attempt = newAttempt(turn);
    emit(turn, { kind: 'sendBegin', attempt, server, loginId, deadlineMs });
    sent(turn, server, { attempt, what: 'begin' });
  } else if (
    method.kind === 'password' ? mayHavePassword(login, lane) : keys.kind === 'ready' && keys.salt === method.salt
  ) {
    const attempt = newAttempt(turn);
    emit(turn, {
      kind: 'sendLogin',
      attempt,
      server,
      loginId,
      method: method.kind,
      held: opened,
      // A directory's word is live: it rests on no version.
      known: method.kind === 'password' ? undefined : login.subject,
      deadlineMs,
    });
    sent(turn, server, { attempt, what: 'login' });
  }
}

export function askLanes(turn: Turn): void {
  for (const { server } of turn.state.login?.lanes ?? []) askLane(turn, server);
}

/** One typed password of a directory's user is one bind: it is out with a server that is still waited for. */
function mayHavePassword(login: Login, lane: Lane): boolean {
  if (lane.cut) return lane.alive && lane.hedgeAt !== undefined;
  return !activeLanes(login).some(
    ({ request, hedgeAt, cut }) => (request?.what === 'login' || cut) && hedgeAt !== undefined,
  );
}

/**
 * The connection ended under a typed password: whether its server has it, nobody knows. That server is asked for a sign of life, and
 * then the same again, for which it has a memory. False: that was done before.
 */
export function repeatThere(turn: Turn, server: string): boolean {
  const lane = turn.state.login?.lanes.find(each => each.server === server);
  if (lane === undefined || lane.over || lane.cut) return false;
  const attempt = newAttempt(turn);
  const hedgeMs = hedgeDelayMs(turn, server);
  if (lane.probe !== undefined) emit(turn, { kind: 'cancel', attempt: lane.probe });
  emit(turn, { kind: 'probe', attempt, server, deadlineMs: hedgeMs });
  setLane(turn, server, {
    ...{ probe: attempt, request: undefined, alive: false, cut: true },
    hedgeAt: turn.at.now + hedgeMs,
  });
  return true;
}

function sent(turn: Turn, server: string, request: Lane['request']): void {
  setLane(turn, server, { request, hedgeAt: turn.at.now + hedgeDelayMs(turn, server) });
}

/** The server has nothing more to give to this login. */
export function laneOver(turn: Turn, server: string, except?: number): void {
  const lane = turn.state.login?.lanes.find(each => each.server === server);
  if (lane === undefined || lane.over) return;
  for (const attempt of [lane.probe, lane.request?.attempt]) {
    if (attempt !== undefined && attempt !== except) emit(turn, { kind: 'cancel', attempt });
  }
  setLane(turn, server, { over: true, probe: undefined, request: undefined });
}

/** Hedges what has been waited for long enough. */
export function settleLanes(turn: Turn): void {
  for (const { server } of turn.state.login?.lanes ?? []) {
    const lane = turn.state.login?.lanes.find(each => each.server === server);
    if (lane === undefined || lane.over || lane.hedgeAt === undefined || lane.hedgeAt > turn.at.now) continue;
    hedge(turn, lane);
  }
}

function hedge(turn: Turn, { server, alive, request }: Lane): void {
  const isPassword = turn.state.login?.method.kind === 'password';
  if (alive && request === undefined) {
    // It lives; the keys are not ready yet.
    setLane(turn, server, { hedgeAt: undefined });
  } else if (alive && isPassword && request?.what === 'login') {
    // One password is one bind: as long as it shows life, it is the only one.
    const attempt = newAttempt(turn);
    const hedgeMs = hedgeDelayMs(turn, server);
    emit(turn, { kind: 'probe', attempt, server, deadlineMs: hedgeMs });
    setLane(turn, server, { probe: attempt, alive: false, hedgeAt: turn.at.now + hedgeMs });
  } else {
    setLane(turn, server, { hedgeAt: undefined });
    // Slow after a sign of life: this request alone goes elsewhere, and a fresh probe says whether it has died meanwhile.
    if (alive) probe(turn, server, 'suspicion', hedgeDelayMs(turn, server));
    else if (request !== undefined) failedHard(turn, server, 'timeout');
    if (turn.state.login?.lanes.at(-1)?.server === server && !askNext(turn)) {
      setLogin(turn, { lacksServer: true });
      probeUnasked(turn);
    }
    askLanes(turn);
  }
}

/** A probe in the login's path was answered, or not. */
export function onLaneProbe(turn: Turn, event: Extract<Event, { kind: 'probeAnswered' }>): void {
  const { server, answer } = event;
  const lane = turn.state.login?.lanes.find(each => each.server === server);
  if (lane?.probe === undefined || lane.probe !== event.attempt) return;
  setLane(turn, server, { probe: undefined });
  noteRoundTrip(turn, event);
  if (answer.kind === 'failed') {
    if (answer.reason === 'timeout' || answer.reason === 'aborted') return; // the hedge draws the conclusion
    gaveNoAnswer(turn, server, answer);
    laneOver(turn, server);
    return;
  }
  setLane(turn, server, { alive: true });
  if (answer.kind === 'problem') couldNotServe(turn, server, answer.problem);
  else heardFrom(turn, server, answer.value.state);
  const serves = answer.kind === 'ok' && (answer.value.state === 'serving' || answer.value.state === 'degraded');
  // What it was asked already, it answers itself.
  if (!serves && lane.request === undefined) laneOver(turn, server);
  else if (lane.cut) askLane(turn, server);
}
