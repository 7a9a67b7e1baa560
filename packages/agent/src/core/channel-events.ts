import { closeChannel } from './channels.ts';
import type { Event } from './event.ts';
import { channelEnded, couldNotServe, failedHard, gaveNoAnswer, heardFrom, served, setHealth } from './health.ts';
import { bundleChanged, bundleGiven, dropGiven } from './keeping.ts';
import { afterTrouble, moveArrived, moveEnded } from './moves.ts';
import { beginSearch, searchEnded, searchOn } from './search.ts';
import { deviceRevoked } from './session.ts';
import { accepted, adoptStatement, isListed } from './site.ts';
import type { AgentState } from './state.ts';
import { emit, patch, record, type Turn } from './turn.ts';
import { takeWords } from './words.ts';

type On<K extends Event['kind']> = Extract<Event, { kind: K }>;

/** What a channel is to the agent; undefined: one that nobody waits for any more. */
type ChannelRole = 'current' | 'sought' | 'move';

export function onChannelHello(turn: Turn, event: On<'channelHello'>): void {
  const roleBefore = roleOf(turn.state, event.channel);
  if (roleBefore === undefined) {
    dropGiven(turn, event.bundle);
    return;
  }
  const { server, channel, statement } = event;
  if (statement === 'invalid') {
    record(turn, 'alarm.statement', { server });
    dropGiven(turn, event.bundle);
    closeChannel(turn, channel);
    failedHard(turn, server, 'not_in_statement');
    channelGone(turn, roleBefore, server);
    return;
  }
  adoptStatement(turn, statement);
  if (!isListed(turn.state, server)) {
    dropGiven(turn, event.bundle);
    closeChannel(turn, channel);
    channelGone(turn, roleBefore, server);
    return;
  }
  dropRemovedServers(turn, channel);
  // Where the current server was removed, the move's channel is the one that is sought now.
  const role = roleOf(turn.state, channel);
  emit(turn, { kind: 'trustTime', serverTimeMs: event.serverTime, atMonotonicMs: turn.at.now });
  accepted(turn, event.version);
  patch(turn, { crowdMs: event.crowdMs ?? 0 });
  heardFrom(turn, server, event.state);
  served(turn, server);
  takeWords(turn, event.words, event.known);
  if (arrived(turn, role, event)) emit(turn, { kind: 'tellStatus', channel });
  if (event.bundle === undefined) return;
  if (roleOf(turn.state, channel) === 'current') bundleGiven(turn, event.bundle);
  else dropGiven(turn, event.bundle);
}

/** What the hello means for the connection. False: the channel is not used. */
function arrived(turn: Turn, role: ChannelRole | undefined, { state, server, channel }: On<'channelHello'>): boolean {
  switch (role) {
    case undefined:
    case 'current':
      return false;
    case 'move':
      return moveArrived(turn);
    case 'sought':
      if (state === 'serving' || state === 'degraded') {
        searchEnded(turn);
        return true;
      }
      closeChannel(turn, channel);
      failedHard(turn, server, state);
      searchOn(turn);
      return false;
  }
}

export function onChannelClosed(turn: Turn, event: On<'channelClosed'>): void {
  const role = roleOf(turn.state, event.channel);
  if (role === undefined) return;
  const { server, reason, detail, problem } = event;
  if (problem?.code === 'device_revoked') deviceRevoked(turn, problem.subject);
  // Silence takes its time by itself: no loop comes of it.
  const held = reason === 'timeout' || (reason !== 'replaced' && !isShortLived(turn));
  if (problem !== undefined) couldNotServe(turn, server, problem);
  else if (reason === 'closed' || reason === 'replaced' || reason === 'reset') {
    // A cut line proves little: the search asks the server itself. One that never held proves enough.
    if (role !== 'current' || !held) failedHard(turn, server, reason);
  } else gaveNoAnswer(turn, server, { kind: 'failed', reason, detail });
  if (role === 'current') channelEnded(turn, server, held);
  channelGone(turn, role, server);
}

function isShortLived({ state, at, policy }: Turn): boolean {
  return state.connectivity.kind === 'connected' && at.now - state.connectivity.since < policy.breakerFirstMs;
}

function channelGone(turn: Turn, role: ChannelRole, server: string): void {
  const { connectivity } = turn.state;
  if (role === 'sought') {
    searchOn(turn);
    return;
  }
  if (role === 'move') {
    moveEnded(turn);
    return;
  }
  if (connectivity.kind !== 'connected') return;
  const { move } = connectivity;
  afterTrouble(turn, server);
  beginSearch(turn, server);
  if (move.kind !== 'opening' || turn.state.connectivity.kind !== 'disconnected') return;
  // The next server's channel is on its way already.
  const { opening } = move;
  const { waitMs } = turn.state.connectivity.search;
  patch(turn, { connectivity: { ...turn.state.connectivity, search: { kind: 'opening', opening, waitMs } } });
}

/** A new statement took servers away: what hangs on them ends. `except`: the channel that brought it. */
function dropRemovedServers(turn: Turn, except: number): void {
  const { connectivity } = turn.state;
  if (connectivity.kind === 'disconnected') return;
  const { server, channel, move } = connectivity;
  if (move.kind === 'opening' && move.opening.channel !== except && !isListed(turn.state, move.opening.server)) {
    closeChannel(turn, move.opening.channel);
    moveEnded(turn);
  }
  if (channel !== except && !isListed(turn.state, server)) {
    closeChannel(turn, channel);
    channelGone(turn, 'current', server);
  }
}

export function onChannelAlive(turn: Turn, event: On<'channelAlive'>): void {
  const { connectivity, login } = turn.state;
  if (login === null || connectivity.kind !== 'connected' || connectivity.channel !== event.channel) return;
  const { server } = connectivity;
  if (!login.lanes.some(lane => lane.server === server && !lane.alive)) return;
  const lanes = login.lanes.map(lane => (lane.server === server ? { ...lane, alive: true } : lane));
  patch(turn, { login: { ...login, lanes } });
}

export function onChannelGoaway(turn: Turn, event: On<'channelGoaway'>): void {
  const { connectivity } = turn.state;
  if (connectivity.kind === 'connected' && connectivity.channel === event.channel) {
    setHealth(turn, connectivity.server, { heard: 'draining' });
  }
}

export function onChannelRevoked(turn: Turn, event: On<'channelRevoked'>): void {
  if (roleOf(turn.state, event.channel) !== undefined) deviceRevoked(turn, event.subject);
}

export function onChannelChanged(turn: Turn, event: On<'channelChanged'>): void {
  const isCurrent = roleOf(turn.state, event.channel) === 'current';
  if (isCurrent && event.bundle !== undefined) bundleGiven(turn, event.bundle);
  else if (isCurrent) bundleChanged(turn, event.userId);
  else dropGiven(turn, event.bundle);
}

export function onChannelCommand(turn: Turn, event: On<'channelCommand'>): void {
  const { channel, id, command, data } = event;
  if (roleOf(turn.state, channel) === 'current') emit(turn, { kind: 'runCommand', channel, id, command, data });
}

function roleOf({ connectivity }: AgentState, channel: number): ChannelRole | undefined {
  if (connectivity.kind === 'disconnected') {
    const { search } = connectivity;
    return search.kind === 'opening' && search.opening.channel === channel ? 'sought' : undefined;
  }
  if (connectivity.channel === channel) return 'current';
  const { move } = connectivity;
  return move.kind === 'opening' && move.opening.channel === channel ? 'move' : undefined;
}
