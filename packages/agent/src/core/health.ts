import { type AgentTimings, DEFAULT_AGENT_TIMINGS, ONE_REQUEST_ONLY, type ServerState } from '@thinman/protocol';
import { doubling, jittered } from './backoff.ts';
import type { Event, Heard, ProblemFacts } from './event.ts';
import type { AgentState, ProbePurpose, ServerHealth } from './state.ts';
import { emit, newAttempt, patch, record, type Turn } from './turn.ts';

/** `failover.md`: the hedge waits three measured round trips, connect + TLS may take four. */
const HEDGE_ROUND_TRIPS = 3;
const CONNECT_ROUND_TRIPS = 4;

export const UNKNOWN_HEALTH: ServerHealth = {
  heard: 'unknown',
  breaker: { kind: 'closed' },
  failures: 0,
  roundTripMs: undefined,
  probe: undefined,
  good: undefined,
  lastError: null,
  alarmed: false,
  unsteady: undefined,
};

export function healthOf(state: AgentState, server: string): ServerHealth {
  return state.health[server] ?? UNKNOWN_HEALTH;
}

export function setHealth(turn: Turn, server: string, change: Partial<ServerHealth>): void {
  if (!turn.state.servers.some(({ name }) => name === server)) return;
  patch(turn, { health: { ...turn.state.health, [server]: { ...healthOf(turn.state, server), ...change } } });
}

export function hedgeDelayMs(turn: Turn, server: string): number {
  return Math.max(turn.policy.hedgeDelayMs, HEDGE_ROUND_TRIPS * (healthOf(turn.state, server).roundTripMs ?? 0));
}

/**
 * For an answer where nobody waits for it: a server that thousands of devices come to at once answers the last of them after seconds,
 * and whoever gives up only adds to its work. A host that does not answer at all fails sooner (`connectDeadlineMs`), and a search
 * that has another server to go to does not wait (`patienceMs`).
 */
const SEARCH_DEADLINE_MS = 10_000;

export function searchDeadlineMs(turn: Turn, server: string): number {
  return Math.max(connectDeadlineMs(turn, server), SEARCH_DEADLINE_MS);
}

/**
 * For a search: a policy may give servers less, to have a dead one passed over sooner. But where that is less than the wire takes, no
 * server would ever be reached again, and so no policy that says otherwise.
 */
export function searchConnectMs({ connectDeadlineMs: wanted }: Pick<AgentTimings, 'connectDeadlineMs'>): number {
  return Math.max(wanted, DEFAULT_AGENT_TIMINGS.connectDeadlineMs);
}

export function connectDeadlineMs(turn: Turn, server: string): number {
  return Math.max(turn.policy.connectDeadlineMs, CONNECT_ROUND_TRIPS * (healthOf(turn.state, server).roundTripMs ?? 0));
}

/** It answered, and said what it is: the breaker closes, unless it cannot serve. */
export function heardFrom(turn: Turn, server: string, heard: ServerState): void {
  setHealth(turn, server, { heard, breaker: { kind: 'closed' } });
  if (heard === 'draining' || heard === 'unavailable') failedHard(turn, server, heard);
}

/** It did real work (a hello, a login): earlier failures are forgotten. */
export function served(turn: Turn, server: string): void {
  setHealth(turn, server, { breaker: { kind: 'closed' }, failures: 0, lastError: null, alarmed: false });
}

/**
 * A hard failure: the server is left alone until a background probe is answered. What fails while its breaker is open
 * anyway is the same failure: only a probe that was due counts as the next one.
 */
export function failedHard(turn: Turn, server: string, why: string): void {
  const { policy, at } = turn;
  const { breaker, failures: before } = healthOf(turn.state, server);
  if (breaker.kind === 'open' && breaker.probeAt > at.now) {
    setHealth(turn, server, { lastError: why, good: undefined });
    return;
  }
  const failures = before + 1;
  const delayMs = jittered(doubling(failures, policy.breakerFirstMs, policy.breakerMaxMs), at.draw);
  setHealth(turn, server, {
    breaker: { kind: 'open', probeAt: at.now + delayMs },
    failures,
    lastError: why,
    good: undefined,
  });
}

/**
 * A channel that had said hello is gone. One that did not hold is not opened again at once, though its server answers: a server
 * that hangs up, or a second agent with this identity, would have both sides reconnect for ever.
 */
export function channelEnded(turn: Turn, server: string, held: boolean): void {
  const { policy, at } = turn;
  if (held) {
    setHealth(turn, server, { unsteady: undefined });
    return;
  }
  const times = (healthOf(turn.state, server).unsteady?.times ?? 0) + 1;
  const restMs = jittered(doubling(times, policy.breakerFirstMs, policy.breakerMaxMs), at.draw);
  setHealth(turn, server, { unsteady: { times, until: at.now + restMs } });
}

export function mayHaveChannel({ state, at }: Turn, server: string): boolean {
  return (healthOf(state, server).unsteady?.until ?? at.now) <= at.now;
}

/** An answer of scope `server`: the next server is asked. Some of them concern one request only, and open no breaker. */
export function couldNotServe(turn: Turn, server: string, problem: ProblemFacts): void {
  if (ONE_REQUEST_ONLY.some(code => code === problem.code)) {
    setHealth(turn, server, { lastError: problem.code });
    return;
  }
  if (problem.code === 'draining') setHealth(turn, server, { heard: 'draining' });
  failedHard(turn, server, problem.code);
}

/** No usable answer came at all. Trouble with the server's identity is told once, until it has proved it again. */
export function gaveNoAnswer(turn: Turn, server: string, failed: Extract<Heard<unknown>, { kind: 'failed' }>): void {
  if (failed.reason === 'aborted') return;
  if (failed.reason === 'tls' || failed.reason === 'not_in_statement') {
    if (!healthOf(turn.state, server).alarmed) {
      record(turn, 'alarm.tls', { server, reason: failed.reason, detail: failed.detail });
    }
    setHealth(turn, server, { alarmed: true });
  }
  failedHard(turn, server, failed.reason);
}

/** Sends the one background probe of a server, unless one is out already. */
export function probe(turn: Turn, server: string, purpose: ProbePurpose, deadlineMs: number): void {
  if (healthOf(turn.state, server).probe !== undefined) return;
  const attempt = newAttempt(turn);
  setHealth(turn, server, { probe: { attempt, purpose } });
  emit(turn, { kind: 'probe', attempt, server, deadlineMs });
}

/** A background probe was answered, or not. Probes in a login's path are the login's (`login.ts`). */
export function onProbeAnswered(turn: Turn, event: Extract<Event, { kind: 'probeAnswered' }>): void {
  const { server, answer } = event;
  const { probe: sent, good } = healthOf(turn.state, server);
  if (sent?.attempt !== event.attempt) return;
  setHealth(turn, server, { probe: undefined });
  noteRoundTrip(turn, event);
  const { purpose } = sent;
  if (answer.kind === 'ok') {
    heardFrom(turn, server, answer.value.state);
    const isGood = answer.value.state === 'serving';
    if (purpose === 'failback') {
      const next = { count: (good?.count ?? 0) + 1, since: good?.since ?? turn.at.now };
      setHealth(turn, server, { good: isGood ? next : undefined });
    }
    return;
  }
  if (answer.kind === 'failed') gaveNoAnswer(turn, server, answer);
  else {
    couldNotServe(turn, server, answer.problem);
    // Nothing but a probe was asked here: a refusal that opened no breaker would be asked again at once, for ever.
    if (mayBeProbed(turn, server)) failedHard(turn, server, answer.problem.code);
  }
  setHealth(turn, server, { good: undefined });
}

/** No breaker holds back the next probe. */
function mayBeProbed(turn: Turn, server: string): boolean {
  const { breaker } = healthOf(turn.state, server);
  return breaker.kind === 'closed' || breaker.probeAt <= turn.at.now;
}

export function noteRoundTrip(turn: Turn, event: Extract<Event, { kind: 'probeAnswered' }>): void {
  if (event.roundTripMs !== undefined) setHealth(turn, event.server, { roundTripMs: event.roundTripMs });
}

/**
 * Asks servers with an open breaker whether they are back. Only while there is a channel: with none, all are asked together
 * (`search.ts`).
 */
export function settleBreakers(turn: Turn): void {
  if (turn.state.connectivity.kind !== 'connected') return;
  for (const { name } of turn.state.servers) {
    const { breaker } = healthOf(turn.state, name);
    if (breaker.kind === 'open' && breaker.probeAt <= turn.at.now) {
      probe(turn, name, 'breaker', connectDeadlineMs(turn, name));
    }
  }
}

/** When the breakers next need attention. */
export function breakersDueAt(state: AgentState): number {
  if (state.connectivity.kind !== 'connected') return Number.POSITIVE_INFINITY;
  return Math.min(
    ...state.servers.map(({ name }) => {
      const { breaker, probe: sent } = healthOf(state, name);
      return breaker.kind === 'open' && sent === undefined ? breaker.probeAt : Number.POSITIVE_INFINITY;
    }),
  );
}
