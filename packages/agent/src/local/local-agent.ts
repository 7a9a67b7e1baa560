import type { AgentStatus, LoginResult, SessionView } from '@thinman/protocol';

/** What the local sockets need of the agent. Nothing here rejects for a reason that a user could meet. */
export type LocalAgent = {
  status(): AgentStatus;
  /** Logins at the same time queue; a caller that goes away cancels nothing. */
  login(user: string, password: string): Promise<LoginResult>;
  /** Never waits for a server; fine without a session. */
  logout(): Promise<void>;
  session(): SessionView;
  /** `unknown`: nobody here has a connection of that name. */
  connect(name: string): 'done' | 'unknown';
  disconnect(name: string): 'done' | 'unknown';
  /** Calls `listener` after every change of what `status` tells. Returns how to stop. */
  onChange(listener: () => void): () => void;
};
