import { scopeOf } from '@thinman/protocol';
import { doubling, jittered } from './backoff.ts';
import type { Event, GivenBundle } from './event.ts';
import { couldNotServe, gaveNoAnswer } from './health.ts';
import { nowHeld, takesBundle } from './held.ts';
import { connectedServer, refreshNow } from './session.ts';
import type { AgentState, Pull } from './state.ts';
import { isBelievable } from './subject.ts';
import { emit, eventsWaitAWhile, newAttempt, patch, type Turn } from './turn.ts';

/** A bundle that could not be fetched is asked for again after this (± 20 %). */
const PULL_RETRY_MS = 5_000;
/** Events that could not be delivered go out again after 1 s, doubling to one minute: nobody waits for them. */
const DELIVERY_FIRST_MS = 1_000;
const DELIVERY_MAX_MS = 60_000;

const WHICH = ['device', 'user'] as const;
type Which = (typeof WHICH)[number];

/** Fetches what has changed, and hands on what has happened, while a server is connected. */
export function settleKeeping(turn: Turn): void {
  const server = connectedServer(turn.state);
  if (server === null) return;
  const { now } = turn.at;
  for (const which of WHICH) {
    const pull = turn.state.pulls[which];
    if (pull.kind !== 'wanted' || pull.from > now) continue;
    if (which === 'user' && !hasToken(turn.state)) {
      setPull(turn, which, { kind: 'idle' });
      continue;
    }
    const attempt = newAttempt(turn);
    setPull(turn, which, { kind: 'running', attempt, again: false });
    emit(turn, { kind: 'pullBundle', attempt, which, server });
  }
  const { delivery } = turn.state;
  if (delivery.kind === 'pending' && delivery.from <= now) {
    const attempt = newAttempt(turn);
    patch(turn, { delivery: { kind: 'running', attempt, failures: delivery.failures } });
    emit(turn, { kind: 'deliverEvents', attempt, server });
  }
}

/** A server says that a bundle has changed. */
export function bundleChanged(turn: Turn, userId: string | undefined): void {
  const { session, pulls } = turn.state;
  if (userId !== undefined && (session.kind !== 'open' || session.userId !== userId)) return;
  const which: Which = userId === undefined ? 'device' : 'user';
  const pull = pulls[which];
  setPull(turn, which, pull.kind === 'running' ? { ...pull, again: true } : { kind: 'wanted', from: turn.at.now });
}

/** The device's own bundle came in a frame: nothing is to be fetched, unless it is of an epoch whose statement is still on its way. */
export function bundleGiven(turn: Turn, { attempt, version, changed }: GivenBundle): void {
  const { held, site, pulls } = turn.state;
  const believed = isBelievable(version, site.epoch);
  if (believed && takesBundle(held.device, version)) {
    nowHeld(turn, 'device', version);
    emit(turn, { kind: 'keepBundle', attempt, which: 'device' });
    // That it is applied is told, but nobody waits for that: thousands of devices may have been given theirs at this moment.
    if (changed) eventsWaitAWhile(turn);
  } else {
    emit(turn, { kind: 'dropBundle', attempt });
  }
  if (pulls.device.kind === 'running') return;
  const from = turn.at.now + jittered(PULL_RETRY_MS, turn.at.draw);
  setPull(turn, 'device', believed ? { kind: 'idle' } : { kind: 'wanted', from });
}

/** It came over a channel that is not the one in use. */
export function dropGiven(turn: Turn, given: GivenBundle | undefined): void {
  if (given !== undefined) emit(turn, { kind: 'dropBundle', attempt: given.attempt });
}

export function onBundleAnswered(turn: Turn, event: Extract<Event, { kind: 'bundleAnswered' }>): void {
  const { which, attempt, answer, server } = event;
  const pull = turn.state.pulls[which];
  if (pull.kind !== 'running' || pull.attempt !== attempt) {
    emit(turn, { kind: 'dropBundle', attempt });
    return;
  }
  const { now, draw } = turn.at;
  const from = now + jittered(PULL_RETRY_MS, draw);
  if (answer.kind === 'ok') {
    const { version } = answer.value;
    const held = turn.state.held[which];
    const believed = isBelievable(version, turn.state.site.epoch);
    if (believed && takesBundle(held, version)) {
      nowHeld(turn, which, version);
      emit(turn, { kind: 'keepBundle', attempt, which });
    } else {
      emit(turn, { kind: 'dropBundle', attempt });
    }
    if (pull.again) setPull(turn, which, { kind: 'wanted', from: now });
    // The statement of the new epoch is on its way.
    else setPull(turn, which, believed ? { kind: 'idle' } : { kind: 'wanted', from });
    return;
  }
  if (answer.kind === 'failed') gaveNoAnswer(turn, server, answer);
  else if (
    which === 'user' &&
    (answer.problem.code === 'session_invalid' || scopeOf(answer.problem.code, answer.problem.status) === 'verdict')
  ) {
    // The session is over there, or the user may not be here any more: what that means the refresh tells, at once.
    setPull(turn, which, { kind: 'idle' });
    refreshNow(turn);
    return;
  } else if (answer.problem.status >= 500) couldNotServe(turn, server, answer.problem);
  setPull(turn, which, { kind: 'wanted', from });
}

export function onEventsAnswered(turn: Turn, event: Extract<Event, { kind: 'eventsAnswered' }>): void {
  const { delivery } = turn.state;
  if (delivery.kind !== 'running' || delivery.attempt !== event.attempt) return;
  const { answer, server } = event;
  const { now, draw } = turn.at;
  if (answer.kind === 'ok') {
    const next = answer.value.more
      ? ({ kind: 'pending', from: now, failures: 0 } as const)
      : ({ kind: 'idle' } as const);
    patch(turn, { delivery: next });
    return;
  }
  if (answer.kind === 'failed') gaveNoAnswer(turn, server, answer);
  const failures = delivery.failures + 1;
  const from = now + jittered(doubling(failures, DELIVERY_FIRST_MS, DELIVERY_MAX_MS), draw);
  patch(turn, { delivery: { kind: 'pending', from, failures } });
}

function hasToken({ session }: AgentState): boolean {
  return session.kind === 'open' && session.standing.kind === 'vouched';
}

function setPull(turn: Turn, which: Which, pull: Pull): void {
  patch(turn, { pulls: { ...turn.state.pulls, [which]: pull } });
}

/** When bundles and events next need attention. */
export function keepingDueAt(state: AgentState): number {
  if (connectedServer(state) === null) return Number.POSITIVE_INFINITY;
  const { pulls, delivery } = state;
  const waiting = [pulls.device, pulls.user, delivery].map(task =>
    task.kind === 'wanted' || task.kind === 'pending' ? task.from : Number.POSITIVE_INFINITY,
  );
  return Math.min(...waiting);
}
