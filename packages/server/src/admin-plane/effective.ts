import { type DeviceBody, type EffectiveAnswer, SITE_SETTINGS_NAME, type SiteSettingsBody } from '@thinman/protocol';
import { fillPolicy, fillProfile } from '../core/fill-in.ts';
import { matchingAssignments } from '../core/matching.ts';
import { resolvePolicy } from '../core/resolve-policy.ts';
import { resolveProfile } from '../core/resolve-profile.ts';
import { hideSecrets } from '../core/sealed.ts';
import type { SiteConfig } from '../core/site-config.ts';
import { subjectOf, variablesOf } from '../core/subject.ts';
import { done, type Outcome, refused } from '../http/outcome.ts';
import type { StoredObject } from '../ports.ts';
import type { AdminDeps } from './admin-deps.ts';

/** What answers rest on. */
export type EffectiveSite = {
  /** For devices that no rollout has reached. */
  readonly config: SiteConfig;
  configFor(group: string | undefined): SiteConfig;
  readonly settings: SiteSettingsBody;
};

/** The answer for a device, and a user there, by their names. */
export function effective(
  { replica, configFor }: Pick<AdminDeps, 'replica' | 'configFor'>,
  deviceName: string,
  userName: string | undefined,
): Outcome<EffectiveAnswer> {
  const device = replica.get('Device', deviceName);
  if (device === undefined) return refused('not_found', { detail: `There is no Device "${deviceName}".` });
  const user = userName === undefined ? undefined : replica.get('User', userName);
  if (userName !== undefined && user === undefined) {
    return refused('not_found', { detail: `There is no User "${userName}".` });
  }
  const settings = (replica.get('SiteSettings', SITE_SETTINGS_NAME)?.body ?? {}) as SiteSettingsBody;
  return done(shown(effectiveAt({ configFor, settings }, device, user)));
}

/** For people: no secret, nor what it is sealed in. */
export function shown<T>(answer: T): T {
  return hideSecrets(answer) as T;
}

/** What holds on one device, for one user there: each value with its origin and what it has overridden. Secrets are sealed in it. */
export function effectiveAt(
  { configFor, settings }: Pick<EffectiveSite, 'configFor' | 'settings'>,
  device: Pick<StoredObject, 'name' | 'body' | 'system'>,
  user: Pick<StoredObject, 'name' | 'body'> | undefined,
): EffectiveAnswer {
  const config = configFor((device.body as DeviceBody).group);
  const subject = subjectOf(device, user);
  const variables = variablesOf(settings.siteName, device, user);
  const matches = matchingAssignments(config, subject);
  const profile = fillProfile(resolveProfile(config, subject, matches), variables);
  return {
    settings: fillPolicy(resolvePolicy(config, subject, matches), variables),
    profile: { ...profile, connections: [...profile.connections] },
  };
}
