import { DEFAULT_OFFLINE_RULES, type OfflineRules, type UserBody, type WeekHours } from '@thinman/protocol';
import type { Access } from '../core/access.ts';
import type { ResolvedPolicy } from '../core/resolve-policy.ts';
import { groupDepths } from '../core/site-config.ts';
import type { SiteView } from './site-view.ts';

const DAY_MS = 24 * 60 * 60_000;

/**
 * Whether and how long this user may log in offline there. All of site, user, groups and policies must allow it; for how long, a
 * policy (`settings`: resolved for this user on this device) stands before the site's settings. Of excluded groups nothing is kept.
 * `directoryHours`: what the user's directory says of them.
 */
export function offlineRules(
  site: Pick<SiteView, 'settings' | 'config'>,
  user: UserBody,
  settings: ResolvedPolicy,
  { isPlace, hours }: Pick<Access, 'isPlace' | 'hours'> = { isPlace: true, hours: undefined },
  directoryHours?: WeekHours,
): OfflineRules {
  const { allowed = true, maxAgeDays, excludedGroups = [] } = site.settings().offline ?? {};
  const groups = groupDepths(site.config().userGroups, user.groups ?? []);
  const excluded = excludedGroups.some(group => groups.has(group));
  const days = (settings['agent.offline.maxAgeDays']?.value as number | undefined) ?? maxAgeDays;
  return {
    ...DEFAULT_OFFLINE_RULES,
    allowed:
      isPlace &&
      allowed &&
      user.offlineLogin !== false &&
      !excluded &&
      settings['agent.offline.allowed']?.value !== false,
    ...(hours !== undefined && { hours }),
    ...(directoryHours !== undefined && { directoryHours }),
    ...(days !== undefined && { maxAgeMs: Math.round(days * DAY_MS) }),
    ...(excluded && { keep: false }),
  };
}
