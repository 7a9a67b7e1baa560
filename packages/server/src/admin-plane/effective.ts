import {
  type DeviceBody,
  type EffectiveAnswer,
  SITE_SETTINGS_NAME,
  type SiteSettingsBody,
  type UserSystem,
} from '@thinman/protocol';
import { fillPolicy, fillProfile } from '../core/fill-in.ts';
import { matchingAssignments } from '../core/matching.ts';
import { resolvePolicy } from '../core/resolve-policy.ts';
import { resolveProfile } from '../core/resolve-profile.ts';
import { hideSecrets } from '../core/sealed.ts';
import type { SiteConfig } from '../core/site-config.ts';
import { subjectOf, variablesOf } from '../core/subject.ts';
import { type AccountDeps, directoryUser } from '../device-plane/directory-user.ts';
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
export async function effective(
  deps: Pick<AdminDeps, 'replica' | 'configFor' | 'directories'>,
  deviceName: string,
  userName: string | undefined,
): Promise<Outcome<EffectiveAnswer>> {
  const { replica, configFor } = deps;
  const device = replica.get('Device', deviceName);
  if (device === undefined) return refused('not_found', { detail: `There is no Device "${deviceName}".` });
  const settings = (replica.get('SiteSettings', SITE_SETTINGS_NAME)?.body ?? {}) as SiteSettingsBody;
  const site = { settings: () => settings, config: () => configFor((device.body as DeviceBody).group) };
  const user = userName === undefined ? done(undefined) : await knownUser(deps, userName, site);
  if (!user.ok) return user;
  return done(shown(effectiveAt({ configFor, settings }, device, user.value)));
}

/** A directory's user is asked for by the service account, in every form of the name: the groups of this moment count. */
async function knownUser(
  { replica, directories }: Pick<AdminDeps, 'replica' | 'directories'>,
  typed: string,
  site: AccountDeps['site'],
): Promise<Outcome<Pick<StoredObject, 'name' | 'body'>>> {
  const local = replica.get('User', typed);
  const hasPassword = (local?.system as UserSystem | undefined)?.credential !== undefined;
  const none = `There is no User "${typed}"`;
  if (hasPassword || directories === undefined || directories.claims(typed) === 'none') {
    return local === undefined ? refused('not_found', { detail: `${none}.` }) : done(local);
  }
  const status = await directories.status(typed);
  switch (status.kind) {
    case 'ok':
      return done(directoryUser({ replica, site }, status.account));
    case 'unknown':
      if (local !== undefined) return done(local);
      return refused('not_found', {
        detail:
          status.why === 'ambiguous'
            ? `More than one directory has "${typed}": name it as ${directories.keysOf(typed).slice(1).join(' or ')}.`
            : `${none}, and no directory has one.`,
      });
    case 'refused':
      return refused(status.code, { detail: `The directory lets "${typed}" not log in now: ${status.code}.` });
    case 'not_told':
      return refused('directory_unavailable', {
        detail: `The directory has no service account (bindDn, bindPassword): what groups "${typed}" is in, is seen at logins alone.`,
      });
    case 'overloaded':
    case 'unavailable':
    case 'undecided':
      return refused('directory_unavailable');
  }
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
