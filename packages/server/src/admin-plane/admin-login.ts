import type {
  AdministratorBody,
  AdministratorSystem,
  AdminLoginAnswer,
  AdminLoginRequest,
  ErrorCode,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { Clock, EventWriter, PasswordHasher, Replica } from '../ports.ts';
import type { AdminSessions } from './admin-sessions.ts';
import type { LoginThrottle } from './login-throttle.ts';

export type AdminLoginDeps = {
  readonly replica: Pick<Replica, 'get'>;
  readonly hasher: Pick<PasswordHasher, 'administrator' | 'administratorFits'>;
  readonly events: EventWriter;
  readonly clock: Clock;
  readonly sessions: AdminSessions;
  readonly throttle: LoginThrottle;
};

/** Names and passwords of administrators are checked at equal cost, whether the name exists or not. */
export function createAdminLogin(deps: AdminLoginDeps) {
  let decoy: Promise<Required<AdministratorSystem>> | undefined;
  const decoyCredential = () => {
    decoy ??= deps.hasher.administrator(crypto.randomUUID());
    return decoy;
  };

  return async ({ user, password }: AdminLoginRequest, address: string): Promise<Outcome<AdminLoginAnswer>> => {
    const retryAfterMs = deps.throttle.waitMs(user, address);
    if (retryAfterMs > 0) return refused('too_many_attempts', { retryAfterMs });
    // Counted before the hash runs, and taken back when it fits: a hundred guesses sent at once are a hundred failures.
    deps.throttle.failed(user, address);
    const held = deps.replica.get('Administrator', user);
    const { passwordSalt, passwordHash } = (held?.system ?? {}) as AdministratorSystem;
    const known = passwordSalt !== undefined && passwordHash !== undefined;
    const fits = await deps.hasher.administratorFits(
      password,
      known ? { passwordSalt, passwordHash } : await decoyCredential(),
    );
    // A journal that can take nothing is a reason to let administrators in, not to keep them out.
    const tell = (data: Record<string, unknown>) =>
      deps.events.write('admin.login', { administrator: user, address, ...data }).catch(() => {});
    const deny = async (code: ErrorCode): Promise<Outcome<never>> => {
      await tell({ verdict: 'denied', reason: code });
      return refused(code);
    };
    if (held === undefined || !known || !fits) return deny('credentials_invalid');
    const { role, disabled } = held.body as AdministratorBody;
    if (disabled === true) return deny('account_disabled');
    const session = deps.sessions.open(user);
    if (session === undefined) return deny('credentials_invalid');
    deps.throttle.succeeded(user, address);
    await tell({ verdict: 'granted' });
    return done({ ...session, role });
  };
}
