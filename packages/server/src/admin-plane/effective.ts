import type { DeviceBody, EffectiveAnswer, UserBody } from '@thinman/protocol';
import { resolvePolicy } from '../core/resolve-policy.ts';
import { resolveProfile } from '../core/resolve-profile.ts';
import type { Subject } from '../core/site-config.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { AdminDeps } from './admin-deps.ts';

/** What holds on one device, for one user there: each value with its origin and what it has overridden. */
export function effective(
  deps: Pick<AdminDeps, 'replica' | 'configFor'>,
  deviceName: string,
  userName: string | undefined,
): Outcome<EffectiveAnswer> {
  const device = deps.replica.get('Device', deviceName);
  if (device === undefined) return refused('not_found', { detail: `There is no Device "${deviceName}".` });
  const user = userName === undefined ? undefined : deps.replica.get('User', userName);
  if (userName !== undefined && user === undefined) {
    return refused('not_found', { detail: `There is no User "${userName}".` });
  }
  const { group } = device.body as DeviceBody;
  const subject: Subject = {
    device: { name: deviceName, ...(group === undefined ? {} : { group }) },
    ...(user === undefined ? {} : { user: { name: user.name, groups: (user.body as UserBody).groups ?? [] } }),
  };
  const config = deps.configFor(group);
  const profile = resolveProfile(config, subject);
  return done({
    settings: resolvePolicy(config, subject),
    profile: { ...profile, connections: [...profile.connections] },
  });
}
