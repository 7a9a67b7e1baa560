import type { LoginBeginAnswer, LoginBeginRequest } from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { StoredObject } from '../ports.ts';
import type { DeviceDeps } from './device-deps.ts';
import type { DirectoryPersons } from './directory-persons.ts';
import { isDirectoryUser } from './directory-user.ts';
import type { LoginGuard } from './login-guard.ts';
import { derivedMethod, standingOf } from './user-credential.ts';

/** How a user logs in. Who does not exist gets a stable false answer, and names asked about are counted. */
export function createLoginBegin(deps: DeviceDeps, guard: LoginGuard, persons: DirectoryPersons) {
  function directoryBegin(device: StoredObject, user: string): Outcome<LoginBeginAnswer> {
    const { key, also, unlockedAt } = persons.of(user);
    const decision = guard.decide(device.uid, key, unlockedAt, also);
    if (decision.kind === 'too_many_attempts') return refused(decision.kind, { retryAfterMs: decision.retryAfterMs });
    guard.asked(device.uid, key);
    return done({ method: 'password' });
  }

  return (device: StoredObject, { user }: LoginBeginRequest): Outcome<LoginBeginAnswer> => {
    if (isDirectoryUser(deps, user)) return directoryBegin(device, user);
    const standing = standingOf(deps, user);
    const decision = guard.decide(device.uid, standing.name, standing.user?.body.unlockedAt);
    // A locked account still tells its salt: it is asked for once, and says nothing that is worth hiding.
    if (decision.kind === 'too_many_attempts') return refused(decision.kind, { retryAfterMs: decision.retryAfterMs });
    guard.asked(device.uid, standing.name);
    return done(derivedMethod(standing));
  };
}
