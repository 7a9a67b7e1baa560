import type { AgentStatus, ObservedState } from '@thinman/protocol';
import { type AgentState, isLocked, modeOf, type ServerHealth } from '../core/state.ts';

/** `thinman-agent status --json`. */
export function statusOf(
  state: AgentState,
  device: string,
  pendingEvents: number,
  screen: Pick<AgentStatus, 'autologin' | 'loginMessage'> = {},
): AgentStatus {
  const { autologin, loginMessage } = screen;
  const { connectivity, session, servers, health } = state;
  const listed = servers.map(({ name, url, role }) => ({
    name,
    url,
    role,
    state: observed(health[name]),
    lastError: health[name]?.lastError ?? null,
  }));
  const mode = modeOf(state);
  const current =
    connectivity.kind === 'connected' && mode !== 'offline'
      ? listed.find(({ name }) => name === connectivity.server)
      : undefined;
  return {
    device,
    mode,
    server:
      current === undefined ? null : { name: current.name, url: current.url, role: current.role, state: current.state },
    servers: listed,
    ...state.held.newest,
    session:
      session.kind === 'open'
        ? {
            ...{ user: session.user, mode: session.mode, since: session.sinceWallMs },
            ...(isLocked(session) && { locked: true as const }),
            ...(session.user === autologin?.user && { autologin: true as const }),
          }
        : null,
    pendingEvents,
    ...(autologin !== undefined && { autologin }),
    ...(loginMessage !== undefined && { loginMessage }),
  };
}

function observed(health: ServerHealth | undefined): ObservedState {
  if (health === undefined) return 'unknown';
  const { heard, breaker } = health;
  if (breaker.kind === 'closed' || heard === 'draining' || heard === 'unavailable') return heard;
  return 'down';
}
