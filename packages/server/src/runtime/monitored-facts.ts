import { JOURNAL_LIMIT_BYTES, type SiteSettingsBody, SYNC_INTERVAL_MS } from '@thinman/protocol';
import { DEFAULT_SERVING_LIMITS, type ServingLimits } from '../core/serving-state.ts';
import type { HeldStatement } from '../identity/statement-holder.ts';
import type { Replica, ServerIdentity } from '../ports.ts';
import { NEWEST_READABLE_SCHEMA } from '../record/schema.ts';
import type { SyncCondition } from '../replica/sync.ts';
import { ISOLATED_AFTER_MS } from './isolation.ts';
import { isSameServer } from './role.ts';
import type { MonitoredFacts } from './serving-monitor.ts';

/**
 * Whether the site has removed this server, or has been restored on another host in its place: who joins holds a statement that
 * lists it, so does the Primary from the start.
 */
export function isRemoved(
  identity: Pick<ServerIdentity, 'keyHash' | 'wrappingKey'>,
  { statement }: HeldStatement,
): boolean {
  return !statement.servers.some(server => isSameServer(server, identity));
}

/** What the parts of a server say, as the serving state takes it. */
export function monitoredFacts(
  standing: Pick<MonitoredFacts, 'removed' | 'superseded' | 'contested'>,
  replica: Pick<Replica, 'site'>,
  { reachable, forked, error, lastAnsweredMonotonicMs }: SyncCondition,
  canRecordEvents: boolean,
): MonitoredFacts {
  const site = replica.site();
  return {
    ...standing,
    replica: site === undefined ? 'missing' : site.schema > NEWEST_READABLE_SCHEMA ? 'too_new' : 'ready',
    canRecordEvents,
    forked,
    otherSite: error?.code === 'other_site',
    // The database is well, whatever becomes of what it says.
    replicaFailed: reachable && error !== undefined,
    databaseAnsweredAtMs: lastAnsweredMonotonicMs,
  };
}

export function servingLimits({ server }: SiteSettingsBody): ServingLimits {
  return {
    databaseLostAfterMs: server?.databaseLostAfterMs ?? DEFAULT_SERVING_LIMITS.databaseLostAfterMs,
    lagLimitMs: server?.lagLimitMs ?? DEFAULT_SERVING_LIMITS.lagLimitMs,
  };
}

/** Two reads at least within the time after which a database counts as gone: a slow poll must not look like a loss. */
export function syncIntervalMs(settings: SiteSettingsBody): number {
  return Math.min(settings.server?.syncIntervalMs ?? SYNC_INTERVAL_MS, servingLimits(settings).databaseLostAfterMs / 2);
}

export function isolatedAfterMs({ server }: SiteSettingsBody): number {
  return server?.isolatedAfterMs ?? ISOLATED_AFTER_MS;
}

export function journalLimitBytes({ server }: SiteSettingsBody): number {
  return server?.journalLimitBytes ?? JOURNAL_LIMIT_BYTES;
}
