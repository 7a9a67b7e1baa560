import { jittered, spread } from './backoff.ts';
import { closeChannel, nowConnected, openChannel } from './channels.ts';
import { connectDeadlineMs, failedHard, healthOf, mayHaveChannel, probe, setHealth } from './health.ts';
import { askServers, askUnknown, patienceMs, recordSwitch } from './search.ts';
import { candidatesOf, type Selection, selectServer } from './server-selection.ts';
import { type AgentState, type Connectivity, isSuspect, type Move, type MoveReason } from './state.ts';
import { patch, type Turn } from './turn.ts';

type Connected = Extract<Connectivity, { kind: 'connected' }>;

/**
 * While a channel is open: when and where to move it. A move is made before the old channel is broken, and a login in the
 * meantime goes to the current server.
 */
export function settleMoves(turn: Turn): void {
  const connected = connectedOf(turn);
  if (connected === undefined) return;
  probeEarlierServers(turn, connected);
  followReason(turn);
  const { move } = connectedOf(turn) ?? connected;
  const { now } = turn.at;
  switch (move.kind) {
    case 'none':
      considerFailback(turn);
      return;
    case 'due':
      if (move.at <= now) beginMove(turn, move);
      else giveUpBadFailback(turn, move);
      return;
    case 'seeking':
      chooseTarget(turn, move);
      return;
    case 'opening':
      if (move.opening.helloBy <= now) moveFailed(turn, 'timeout');
  }
}

/** Why the current server is not good enough, by what is known of it. */
function reasonToLeave(state: AgentState, server: string): MoveReason | undefined {
  const health = healthOf(state, server);
  const { heard } = health;
  if (heard === 'draining' || heard === 'unavailable') return 'goaway';
  if (isSuspect(health)) return 'suspect';
  return heard === 'degraded' ? 'degraded' : undefined;
}

/** Begins a move when a reason comes up, drops it when the reason is gone. */
function followReason(turn: Turn): void {
  const connected = connectedOf(turn);
  if (connected === undefined) return;
  const { move, server } = connected;
  const reason = reasonToLeave(turn.state, server);
  if (reason === undefined) {
    if (move.kind !== 'none' && move.why !== 'failback') dropMove(turn);
    return;
  }
  if (move.kind !== 'none' && (move.why === reason || move.kind === 'opening')) return;
  if (reason === 'degraded') {
    const { leaveDegradedAfterMs, leaveDegradedSpreadMs } = turn.policy;
    const at = turn.at.now + leaveDegradedAfterMs + spread(leaveDegradedSpreadMs, turn.at.draw);
    setMove(turn, { kind: 'due', why: reason, to: null, at });
  } else {
    if (reason === 'suspect') afterTrouble(turn, server);
    seek(turn, reason);
  }
}

function beginMove(turn: Turn, { to, why }: Extract<Move, { kind: 'due' }>): void {
  if (to === null) seek(turn, why);
  else if (!isGoodFor(turn, to)) setMove(turn, { kind: 'none' });
  else if (turn.state.login === null) open(turn, to, why); // a failback never during a login
}

/** The others are asked now: their word is younger than the trouble here, so their database outlived the one here. */
function seek(turn: Turn, why: MoveReason): void {
  askServers(turn, others(turn));
  setMove(turn, { kind: 'seeking', why, patienceUntil: turn.at.now + patienceMs(turn) });
}

function chooseTarget(turn: Turn, move: Extract<Move, { kind: 'seeking' }>): void {
  askUnknown(turn, others(turn));
  const selection = selectOther(turn, turn.at.now < move.patienceUntil);
  const isWorth =
    selection.kind === 'chosen' &&
    (move.why !== 'degraded' || healthOf(turn.state, selection.server).heard === 'serving');
  if (isWorth) {
    open(turn, selection.server, move.why);
    return;
  }
  if (selection.kind === 'wait') return;
  // Nobody is better: stay, and look again later.
  const at = turn.at.now + jittered(turn.policy.failbackProbeMs, turn.at.draw);
  setMove(turn, { kind: 'due', why: move.why, to: null, at });
}

function selectOther(turn: Turn, patience: boolean): Selection {
  const current = connectedOf(turn)?.server;
  const candidates = candidatesOf(turn.state.servers, turn.state.health);
  return selectServer(
    candidates.filter(({ name }) => name !== current && mayHaveChannel(turn, name)),
    patience,
  );
}

function open(turn: Turn, server: string, why: MoveReason): void {
  setMove(turn, { kind: 'opening', why, opening: openChannel(turn, server) });
}

/** The new server has said hello: the channel has moved. False: it is no better, and everything stays. */
export function moveArrived(turn: Turn): boolean {
  const connected = connectedOf(turn);
  if (connected === undefined || connected.move.kind !== 'opening') return false;
  const { why, opening } = connected.move;
  const { heard } = healthOf(turn.state, opening.server);
  const fits = heard === 'serving' || (heard === 'degraded' && (why === 'goaway' || why === 'suspect'));
  if (!fits) {
    closeChannel(turn, opening.channel);
    moveEnded(turn);
    return false;
  }
  if (why === 'degraded') afterTrouble(turn, connected.server);
  nowConnected(turn, opening);
  closeChannel(turn, connected.channel);
  recordSwitch(turn, connected.server, opening.server, why);
  // Asked again in the background until it is back.
  if (why === 'goaway') failedHard(turn, connected.server, 'draining');
  if (why === 'failback') {
    setHealth(turn, opening.server, { good: undefined });
    patch(turn, {
      failback: { ...turn.state.failback, last: { server: opening.server, at: turn.at.now } },
    });
  }
  return true;
}

/** The channel to the new server did not come to be: everything stays as it is. */
export function moveFailed(turn: Turn, why: string): void {
  const connected = connectedOf(turn);
  if (connected === undefined || connected.move.kind !== 'opening') return;
  const { opening } = connected.move;
  closeChannel(turn, opening.channel);
  failedHard(turn, opening.server, why);
  moveEnded(turn);
}

/** After a move that came to nothing. */
export function moveEnded(turn: Turn): void {
  const connected = connectedOf(turn);
  if (connected === undefined || connected.move.kind !== 'opening') return;
  const { why, opening } = connected.move;
  if (why === 'failback') {
    regretFailback(turn);
    setHealth(turn, opening.server, { good: undefined });
    setMove(turn, { kind: 'none' });
    return;
  }
  const at = turn.at.now + jittered(turn.policy.failbackProbeMs, turn.at.draw);
  setMove(turn, { kind: 'due', why, to: null, at });
}

function dropMove(turn: Turn): void {
  const connected = connectedOf(turn);
  if (connected?.move.kind === 'opening') closeChannel(turn, connected.move.opening.channel);
  setMove(turn, { kind: 'none' });
}

/** Probes of the servers before the current one, at their own pace whatever the breakers say. */
function probeEarlierServers(turn: Turn, connected: Connected): void {
  const earlier = earlierServers(turn.state, connected.server);
  if (earlier.length === 0 || connected.failbackProbeAt > turn.at.now) return;
  for (const server of earlier) {
    probe(turn, server, 'failback', connectDeadlineMs(turn, server));
  }
  const failbackProbeAt = turn.at.now + jittered(turn.policy.failbackProbeMs, turn.at.draw);
  patch(turn, { connectivity: { ...connected, failbackProbeAt } });
}

function considerFailback(turn: Turn): void {
  const connected = connectedOf(turn);
  if (connected === undefined) return;
  const to = earlierServers(turn.state, connected.server).find(server => isGoodFor(turn, server));
  if (to === undefined) return;
  const at = turn.at.now + spread(turn.policy.failbackSpreadMs, turn.at.draw);
  setMove(turn, { kind: 'due', why: 'failback', to, at });
}

function giveUpBadFailback(turn: Turn, move: Extract<Move, { kind: 'due' }>): void {
  if (move.to !== null && !isGoodFor(turn, move.to)) setMove(turn, { kind: 'none' });
}

/** Enough good probes in a row, for long enough if an earlier failback was regretted. */
function isGoodFor(turn: Turn, server: string): boolean {
  if (!mayHaveChannel(turn, server)) return false;
  const { good } = healthOf(turn.state, server);
  if (good === undefined || good.count < turn.policy.failbackProbes) return false;
  return turn.at.now - good.since >= turn.state.failback.regretWaitMs;
}

/** The server was lost or left in trouble: soon after a failback to it, the next one waits twice as long. */
export function afterTrouble(turn: Turn, server: string): void {
  const { last } = turn.state.failback;
  if (last?.server !== server) return;
  if (turn.at.now - last.at <= turn.policy.failbackRegretMs) regretFailback(turn);
  else patch(turn, { failback: { regretWaitMs: 0, last: null } });
}

function regretFailback(turn: Turn): void {
  const { failbackProbes, failbackProbeMs, failbackMaxWaitMs } = turn.policy;
  const waitMs = Math.max(turn.state.failback.regretWaitMs, failbackProbes * failbackProbeMs);
  patch(turn, { failback: { regretWaitMs: Math.min(2 * waitMs, failbackMaxWaitMs), last: null } });
}

function earlierServers(state: AgentState, current: string): readonly string[] {
  const names = state.servers.map(({ name }) => name);
  return names.slice(0, Math.max(names.indexOf(current), 0));
}

function others(turn: Turn): readonly string[] {
  const current = connectedOf(turn)?.server;
  return turn.state.servers.map(({ name }) => name).filter(name => name !== current);
}

function connectedOf(turn: Turn): Connected | undefined {
  return turn.state.connectivity.kind === 'connected' ? turn.state.connectivity : undefined;
}

function setMove(turn: Turn, move: Move): void {
  const connected = connectedOf(turn);
  if (connected !== undefined) patch(turn, { connectivity: { ...connected, move } });
}

/** When moves next need attention. */
export function movesDueAt(state: AgentState, now: number): number {
  if (state.connectivity.kind !== 'connected') return Number.POSITIVE_INFINITY;
  const { move, server, failbackProbeAt } = state.connectivity;
  const probes = earlierServers(state, server).length > 0 ? failbackProbeAt : Number.POSITIVE_INFINITY;
  return Math.min(probes, moveDueAt(state, move, now));
}

function moveDueAt(state: AgentState, move: Move, now: number): number {
  switch (move.kind) {
    case 'none':
      return Number.POSITIVE_INFINITY;
    case 'due':
      // A failback waits for the end of the login, which is an event of its own.
      return move.to !== null && state.login !== null ? Number.POSITIVE_INFINITY : move.at;
    case 'seeking':
      return move.patienceUntil > now ? move.patienceUntil : Number.POSITIVE_INFINITY;
    case 'opening':
      return move.opening.helloBy;
  }
}
