import { DEFAULT_OFFLINE_RULES, type OfflineRules, type UserBody } from '@thinman/protocol';
import { groupDepths } from '../core/site-config.ts';
import type { SiteView } from './site-view.ts';

const DAY_MS = 24 * 60 * 60_000;

/** Whether and how long this user may log in offline: all of site, user and groups must allow it. */
export function offlineRules(site: SiteView, user: UserBody): OfflineRules {
  const { allowed = true, maxAgeDays, excludedGroups = [] } = site.settings().offline ?? {};
  const groups = groupDepths(site.config().userGroups, user.groups ?? []);
  const excluded = excludedGroups.some(group => groups.has(group));
  return {
    ...DEFAULT_OFFLINE_RULES,
    allowed: allowed && user.offlineLogin !== false && !excluded,
    ...(maxAgeDays !== undefined && { maxAgeMs: Math.round(maxAgeDays * DAY_MS) }),
  };
}
