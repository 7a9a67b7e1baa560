import type { AgentStatus, ConnectionStatus, LoginResult } from '@thinman/protocol';
import type { LocalAgent } from '../local-agent.ts';

/** A connection as the page shows it: no host, no address, no account. */
export type Tile = {
  readonly name: string;
  readonly title?: string;
  readonly type: string;
  /** Left out: nothing is known of it. Why, is for `thinman-agent session`: hosts stand in it. */
  readonly state?: ConnectionStatus['state'];
};

/** What the page needs of the agent. Where the agent opens no connections, the page shows those of the last login. */
export type GreeterAgent = Omit<LocalAgent, 'session' | 'connect' | 'disconnect'> & {
  session?(): { readonly connections: readonly Tile[] };
  connect?(name: string): 'done' | 'unknown';
  onConnections?(listener: () => void): () => void;
};

/** What the page is told, at once and after each change. */
export type PageState = {
  readonly device: string | null;
  readonly mode: AgentStatus['mode'];
  /** Unix ms; null: it is not offline. */
  readonly offlineSince: number | null;
  readonly server: { readonly name: string; readonly role: string; readonly state: string } | null;
  readonly session: AgentStatus['session'];
  /** None while it is locked. */
  readonly connections: readonly Tile[];
  /** Whether whoever stands here may log in in the place of whoever is signed in. */
  readonly mayEnd: boolean;
  /** `session.loginMessage`, for whoever comes; null: there is none. */
  readonly loginMessage: string | null;
};

/** Keeps what the agent does not say by itself: since when it is offline, and what the last login brought. */
export function createPageState(agent: GreeterAgent, nowMs: () => number) {
  let offlineSince: number | null = null;
  let brought: readonly Tile[] = [];

  const look = (): void => {
    const { mode, session } = agent.status();
    if (mode !== 'offline') offlineSince = null;
    else offlineSince ??= nowMs();
    if (session === null) brought = [];
  };
  look();

  const tiles = (): readonly Tile[] => (agent.session?.().connections ?? brought).map(tileOf);

  return {
    look,
    granted(result: LoginResult): void {
      brought = result.profile?.connections ?? [];
    },
    tiles,
    now(): PageState {
      const { device, mode, server, session, loginMessage = null } = agent.status();
      return {
        device,
        mode,
        offlineSince,
        server: server && { name: server.name, role: server.role, state: server.state },
        session,
        connections: session === null || session.locked === true ? [] : tiles(),
        mayEnd: agent.mayEnd(),
        loginMessage,
      };
    },
  };
}

const tileOf = ({ name, title, type, state }: Tile): Tile => ({
  ...{ name, type },
  ...(title !== undefined && { title }),
  ...(state !== undefined && { state }),
});
