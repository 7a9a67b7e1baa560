import type { Connection } from '@thinman/protocol';
import { jittered } from './backoff.ts';

/** One connection on its way: whether a client runs for it, and what is done when that ends. Times: monotonic, ms. */
export type ConnectionState =
  /** Nobody has opened it, or it ended as it should. */
  | { readonly kind: 'closed' }
  /** A client runs. `failures`: short-lived ones in a row before it; `returns`: such that ended as they should. */
  | { readonly kind: 'open'; readonly since: number; readonly failures: number; readonly returns?: number }
  /** Dropped, or ended where it is always opened: opened again at `until`. */
  | {
      readonly kind: 'waiting';
      readonly until: number;
      readonly failures: number;
      readonly returns?: number;
      readonly why: string;
    }
  /** Told to end. `again`: it is opened anew as soon as it has. */
  | { readonly kind: 'closing'; readonly again: boolean }
  /** It cannot be opened, or dropped and is not to be opened again by itself. */
  | { readonly kind: 'failed'; readonly why: string }
  /** Its fallback was opened in its place. */
  | { readonly kind: 'replaced'; readonly by: string; readonly why: string };

/** How a client ended, or did not begin. */
export type ClientEnd =
  /** The person closed it, or logged off there. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly why: string }
  /** The other side refuses this user or password. */
  | { readonly kind: 'refused'; readonly why: string }
  /** There is no client for it, or it cannot be opened as it is. */
  | { readonly kind: 'unfit'; readonly why: string };

/** What is to be done. */
export type ConnectionStep = {
  readonly state: ConnectionState;
  readonly effect: 'none' | 'start' | 'stop' | 'fallback';
};

/** A client that ran for so long was there: what ends it is a drop, not a failure to connect. */
export const STEADY_MS = 30_000;
/** Short-lived clients in a row before the fallback takes over: a server that restarts is back by the third. */
export const TRIES_BEFORE_FALLBACK = 3;
/** Opened again after this, doubling … */
export const FIRST_WAIT_MS = 1_000;
/** … up to this (± 20 %): often enough for a person who waits, and no storm at a server that comes back. */
export const MAX_WAIT_MS = 60_000;

type Rules = Pick<Connection, 'reconnect' | 'fallback'>;

/** Somebody (or the begin of a session) opens it. */
export function opened(state: ConnectionState, now: number): ConnectionStep {
  switch (state.kind) {
    case 'open':
      return { state, effect: 'none' };
    case 'closing':
      return { state: { kind: 'closing', again: true }, effect: 'none' };
    default:
      return { state: { kind: 'open', since: now, failures: 0 }, effect: 'start' };
  }
}

/** Somebody (or the end of the session) closes it. */
export function closed(state: ConnectionState): ConnectionStep {
  switch (state.kind) {
    case 'open':
      return { state: { kind: 'closing', again: false }, effect: 'stop' };
    case 'closing':
      return { state: { kind: 'closing', again: false }, effect: 'none' };
    default:
      return { state: { kind: 'closed' }, effect: 'none' };
  }
}

/** Its client ended. `draw`: from [0, 1). */
export function clientEnded(
  state: ConnectionState,
  end: ClientEnd,
  rules: Rules,
  now: number,
  draw: number,
): ConnectionStep {
  if (state.kind === 'closing') {
    if (!state.again) return { state: { kind: 'closed' }, effect: 'none' };
    return { state: { kind: 'open', since: now, failures: 0 }, effect: 'start' };
  }
  if (state.kind !== 'open') return { state, effect: 'none' };
  const { reconnect = 'never', fallback } = rules;
  if (end.kind === 'ended') {
    if (reconnect !== 'always') return { state: { kind: 'closed' }, effect: 'none' };
    // Two devices of one user may take a session from each other in turn: more rarely each time.
    const returns = now - state.since >= STEADY_MS ? 1 : (state.returns ?? 0) + 1;
    const until = now + wait(returns, draw);
    return { state: { kind: 'waiting', until, failures: 0, returns, why: '' }, effect: 'none' };
  }
  const { why } = end;
  const failures = now - state.since >= STEADY_MS ? 1 : state.failures + 1;
  const mayHelp = end.kind === 'failed' && reconnect !== 'never';
  if (mayHelp && (fallback === undefined || failures < TRIES_BEFORE_FALLBACK)) {
    return { state: { kind: 'waiting', until: now + wait(failures, draw), failures, why }, effect: 'none' };
  }
  if (fallback !== undefined) return { state: { kind: 'replaced', by: fallback, why }, effect: 'fallback' };
  return { state: { kind: 'failed', why }, effect: 'none' };
}

/** Time has passed. */
export function timePassed(state: ConnectionState, now: number): ConnectionStep {
  if (state.kind !== 'waiting' || state.until > now) return { state, effect: 'none' };
  const { failures, returns } = state;
  return { state: { kind: 'open', since: now, failures, ...(returns !== undefined && { returns }) }, effect: 'start' };
}

function wait(failures: number, draw: number): number {
  return jittered(Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), MAX_WAIT_MS), draw);
}
