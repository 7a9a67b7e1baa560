import type { DeviceEventType } from '@thinman/protocol';
import { spread } from './backoff.ts';
import type { Effect } from './effect.ts';
import type { Moment } from './event.ts';
import type { AgentPolicy, AgentState } from './state.ts';

/**
 * What one transition has come to so far. Lives inside `transition` alone: the state in it is replaced, never changed, so
 * that whoever holds the one before sees nothing.
 */
export type Turn = {
  state: AgentState;
  readonly effects: Effect[];
  readonly policy: AgentPolicy;
  readonly at: Moment;
};

export function patch(turn: Turn, change: Partial<AgentState>): void {
  turn.state = { ...turn.state, ...change };
}

export function emit(turn: Turn, ...effects: Effect[]): void {
  turn.effects.push(...effects);
}

/** A fresh attempt id: results carry it, and those of an older one are dropped. */
export function newAttempt(turn: Turn): number {
  const attempt = turn.state.nextAttempt;
  patch(turn, { nextAttempt: attempt + 1 });
  return attempt;
}

/** An event for the outbox, and the wish to deliver it. */
export function record(turn: Turn, type: DeviceEventType, data: Record<string, unknown>, user?: string): void {
  emit(turn, user === undefined ? { kind: 'record', type, data } : { kind: 'record', type, user, data });
  eventsWait(turn);
}

/** The outbox is not empty. */
export function eventsWait(turn: Turn): void {
  if (turn.state.delivery.kind === 'idle') {
    patch(turn, { delivery: { kind: 'pending', from: turn.at.now, failures: 0 } });
  }
}

/** When thousands of devices have something to do at one moment, what nobody waits for is spread over some seconds. */
export function laterAtRandom({ at, policy }: Turn): number {
  return at.now + spread(policy.leaveDegradedSpreadMs, at.draw);
}

/** The outbox is not empty, and thousands of others are not either. */
export function eventsWaitAWhile(turn: Turn): void {
  const { delivery } = turn.state;
  if (delivery.kind === 'idle') {
    patch(turn, { delivery: { kind: 'pending', from: laterAtRandom(turn), failures: 0 } });
  }
}
