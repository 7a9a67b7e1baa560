import { NO_VERSION, newestVersion, type Version } from '@thinman/protocol';
import {
  onChannelAlive,
  onChannelChanged,
  onChannelClosed,
  onChannelCommand,
  onChannelGoaway,
  onChannelHello,
  onChannelRevoked,
} from './channel-events.ts';
import { closeChannel } from './channels.ts';
import type { Effect } from './effect.ts';
import type { Event } from './event.ts';
import { breakersDueAt, connectDeadlineMs, onProbeAnswered, probe, settleBreakers, UNKNOWN_HEALTH } from './health.ts';
import { keepingDueAt, onBundleAnswered, onEventsAnswered, settleKeeping } from './keeping.ts';
import { laneOver, onLaneProbe } from './lanes.ts';
import {
  loginDueAt,
  onDerived,
  onLoginRequested,
  onOfflineFacts,
  onOfflineTried,
  onUserRead,
  settleLogin,
} from './login.ts';
import { onBeginAnswered, onLoginAnswered } from './login-answers.ts';
import { movesDueAt, settleMoves } from './moves.ts';
import { beginSearch, searchDueAt, searchNow, settleSearch } from './search.ts';
import {
  onActivity,
  onLock,
  onLogout,
  onSessionAnswered,
  onSessionProved,
  sessionDueAt,
  settleSession,
} from './session.ts';
import type { AgentPolicy, AgentState, KeptSession, ServerEntry, SiteFacts } from './state.ts';
import { emit, eventsWait, patch, record, type Turn } from './turn.ts';

/** More rounds than any chain of consequences has; a state that never settles is a defect, and is told as one. */
const MAX_ROUNDS = 20;

/** Before the start. `accepted` and `held` are what the device's store remembers; `session`: who worked here when the agent ended. */
export function initialState(
  site: { readonly site: SiteFacts; readonly servers: readonly ServerEntry[] },
  memory: {
    readonly accepted: Version;
    readonly heldDevice: Version;
    readonly heldNewest: Version;
    readonly session?: KeptSession | undefined;
  },
): AgentState {
  return {
    phase: 'new',
    ...site,
    health: Object.fromEntries(site.servers.map(({ name }) => [name, UNKNOWN_HEALTH])),
    connectivity: {
      kind: 'disconnected',
      since: 0,
      lost: null,
      announced: false,
      search: { kind: 'waiting', until: Number.POSITIVE_INFINITY, waitMs: 0 },
    },
    session:
      memory.session === undefined
        ? { kind: 'none' }
        : { kind: 'open', ...memory.session, standing: { kind: 'locked' } },
    login: null,
    waitingLogins: [],
    failback: { regretWaitMs: 0, last: null },
    crowdMs: 0,
    accepted: memory.accepted,
    held: { device: memory.heldDevice, user: NO_VERSION, newest: newestVersion(memory.heldDevice, memory.heldNewest) },
    pulls: { device: { kind: 'idle' }, user: { kind: 'idle' } },
    delivery: { kind: 'idle' },
    nextAttempt: 1,
  };
}

/**
 * The agent's machine: what happens, and what follows from it. Deterministic, without IO: the same events give the same
 * states and effects, whatever the machine runs on. No timers: deadlines are in the state, and `dueAt` says when the next
 * one passes.
 *
 * To read on: `state.ts` is the vocabulary. `search.ts` finds a server when there is none (`server-selection.ts` is the
 * ladder), `moves.ts` leaves one for a better one, `health.ts` has breakers and probes, `channel-events.ts` what a channel
 * says. `login.ts` runs a login through its `lanes.ts`, `login-answers.ts` says which answer means what (`subject.ts`: which
 * are ignored), `offline-login.ts` and `clock-rule.ts` decide without a server. `session.ts` and `keeping.ts` are the rest.
 */
export function transition(
  state: AgentState,
  event: Event,
  policy: AgentPolicy,
): { readonly state: AgentState; readonly effects: readonly Effect[] } {
  const turn: Turn = { state, effects: [], policy, at: event.at };
  if (!takes(state, event)) return turn;
  // The table's types say that each handler gets its own kind of event.
  (HANDLERS[event.kind] as (turn: Turn, event: Event) => void)(turn, event);
  settle(turn);
  tellSession(turn, state);
  return { state: turn.state, effects: turn.effects };
}

/** A server tells of a changed profile only whose session it knows: it hears of every one that begins or ends. */
function tellSession(turn: Turn, before: AgentState): void {
  const { connectivity, phase } = turn.state;
  if (phase !== 'running' || connectivity.kind !== 'connected' || sessionId(turn.state) === sessionId(before)) return;
  const { channel } = connectivity;
  if (turn.effects.some(effect => effect.kind === 'tellStatus' && effect.channel === channel)) return;
  emit(turn, { kind: 'tellStatus', channel });
}

function sessionId({ session }: AgentState): string | null {
  return session.kind === 'open' ? session.loginId : null;
}

function takes({ phase }: AgentState, { kind }: Event): boolean {
  switch (phase) {
    case 'new':
      return kind === 'started' || kind === 'stopRequested';
    case 'running':
      return kind !== 'started';
    case 'stopped':
      return false;
  }
}

type Handlers = { readonly [K in Event['kind']]: (turn: Turn, event: Extract<Event, { kind: K }>) => void };

/** What each event itself says; what follows from it is settled afterwards. */
const HANDLERS: Handlers = {
  started: start,
  stopRequested: stop,
  tick: () => {},
  linkUp: lookAgain,
  resumed: lookAgain,
  channelHello: onChannelHello,
  channelAlive: onChannelAlive,
  channelChanged: onChannelChanged,
  channelCommand: onChannelCommand,
  channelGoaway: onChannelGoaway,
  channelRevoked: onChannelRevoked,
  channelClosed: onChannelClosed,
  probeAnswered(turn, event) {
    onLaneProbe(turn, event);
    onProbeAnswered(turn, event);
  },
  loginRequested: onLoginRequested,
  userRead: onUserRead,
  derived: onDerived,
  beginAnswered: onBeginAnswered,
  loginAnswered: onLoginAnswered,
  offlineFacts: onOfflineFacts,
  offlineTried: onOfflineTried,
  logoutRequested: onLogout,
  lockRequested: onLock,
  activityReported: onActivity,
  sessionAnswered: onSessionAnswered,
  sessionProved: onSessionProved,
  bundleAnswered: onBundleAnswered,
  eventsAnswered: onEventsAnswered,
  eventRecorded: eventsWait,
};

/** What follows from it, and from the time: every rule takes its next step, until nothing is due any more. */
function settle(turn: Turn): void {
  for (let round = 0; round < MAX_ROUNDS && turn.state.phase === 'running'; round += 1) {
    const before = turn.state;
    settleBreakers(turn);
    settleSearch(turn);
    settleMoves(turn);
    settleLogin(turn);
    settleSession(turn);
    settleKeeping(turn);
    if (turn.state === before) return;
  }
  if (turn.state.phase === 'running') throw new Error('the agent does not settle');
}

/** When the state next needs a `tick`, on the monotonic clock; Infinity: only events move it. */
export function dueAt(state: AgentState, now: number): number {
  if (state.phase !== 'running') return Number.POSITIVE_INFINITY;
  return Math.min(
    breakersDueAt(state),
    searchDueAt(state, now),
    movesDueAt(state, now),
    loginDueAt(state),
    sessionDueAt(state),
    keepingDueAt(state),
  );
}

function start(turn: Turn, { eventsPending }: Extract<Event, { kind: 'started' }>): void {
  patch(turn, { phase: 'running' });
  if (eventsPending) eventsWait(turn);
  record(turn, 'agent.started', {});
  beginSearch(turn, null);
}

/** The network or the machine came back: what was true before may not be any more. */
function lookAgain(turn: Turn): void {
  const { connectivity } = turn.state;
  if (connectivity.kind === 'disconnected') {
    searchNow(turn);
    return;
  }
  const { server } = connectivity;
  probe(turn, server, 'suspicion', connectDeadlineMs(turn, server));
}

/** Ends everything that is under way. Nothing follows any more, whatever still comes in. */
function stop(turn: Turn): void {
  const { state } = turn;
  const { connectivity, session, pulls, delivery, login } = state;
  for (const { server } of login?.lanes ?? []) laneOver(turn, server);
  for (const { probe: sent } of Object.values(state.health)) cancel(turn, sent?.attempt);
  for (const task of [pulls.device, pulls.user, delivery]) cancel(turn, 'attempt' in task ? task.attempt : undefined);
  if (session.kind === 'open' && session.standing.kind !== 'locked') cancel(turn, session.standing.attempt);
  if (connectivity.kind === 'connected') closeChannel(turn, connectivity.channel);
  const pending = connectivity.kind === 'connected' ? connectivity.move : connectivity.search;
  if (pending.kind === 'opening') closeChannel(turn, pending.opening.channel);
  const open = login === null ? state.waitingLogins : [login, ...state.waitingLogins];
  for (const { loginId } of open) emit(turn, { kind: 'finishLogin', loginId, outcome: 'stopped' });
  patch(turn, { phase: 'stopped', login: null, waitingLogins: [] });
}

function cancel(turn: Turn, attempt: number | undefined): void {
  if (attempt !== undefined) emit(turn, { kind: 'cancel', attempt });
}
