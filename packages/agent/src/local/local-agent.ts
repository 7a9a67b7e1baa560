import type { AgentStatus, LoginResult, PasswordResult, SessionView } from '@thinman/protocol';
import type { EmergencyOutcome } from '../runtime/emergency-desk.ts';

/** What the local sockets need of the agent. Nothing here rejects for a reason that a user could meet. */
export type LocalAgent = {
  status(): AgentStatus;
  /** Logins at the same time queue; a caller that goes away cancels nothing. */
  login(user: string, password: string): Promise<LoginResult>;
  lock(): void;
  /** undefined: nobody is signed in. */
  unlock(password: string): Promise<LoginResult | undefined>;
  /** Whether whoever stands here may end the session. */
  mayEnd(): boolean;
  changePassword(user: string, password: string, newPassword: string): Promise<PasswordResult>;
  emergency(user: string, code?: string): EmergencyOutcome;
  /** Never waits for a server; fine without a session. */
  logout(): Promise<void>;
  /** `session.logoutAfterMinutes` is counted from the first word that the device is idle. */
  activity(isIdle: boolean): void;
  session(): SessionView;
  /** `unknown`: nobody here has a connection of that name. */
  connect(name: string): 'done' | 'unknown';
  disconnect(name: string): 'done' | 'unknown';
  /** Calls `listener` after every change of what `status` tells. Returns how to stop. */
  onChange(listener: () => void): () => void;
};
