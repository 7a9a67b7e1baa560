import { SITE_SETTINGS_NAME, type SiteSettingsBody } from '@thinman/protocol';
import type { SiteConfig } from '../core/site-config.ts';
import { CONFIG_KINDS, createSiteIndex, isConfigKind } from '../core/site-index.ts';
import type { AppliedChange, Replica } from '../ports.ts';

/** What many answers rest on, kept in memory in step with the replica. */
export type SiteView = {
  config(): SiteConfig;
  settings(): SiteSettingsBody;
  /** Another number whenever `config` or `settings` have changed: what was computed from them is void. */
  revision(): number;
  close(): void;
};

/** Create it before any other listener of the replica that reads it: listeners are told in the order of their coming. */
export function followReplica(replica: Pick<Replica, 'get' | 'list' | 'onApplied'>): SiteView {
  const index = createSiteIndex();
  let settings: SiteSettingsBody = {};
  let revision = 0;

  const readSettings = () => {
    settings = (replica.get('SiteSettings', SITE_SETTINGS_NAME)?.body ?? {}) as SiteSettingsBody;
  };
  const rebuild = () => {
    index.clear();
    for (const kind of CONFIG_KINDS) for (const object of replica.list(kind)) index.update(object);
    readSettings();
    revision += 1;
  };
  rebuild();
  const stop = replica.onApplied(change => {
    if (change.full) return rebuild();
    if (!touchesConfig(change)) return;
    for (const object of change.objects) index.update(object);
    readSettings();
    revision += 1;
  });
  return { config: () => index.config, settings: () => settings, revision: () => revision, close: stop };
}

/** Whether anything of it may change bundles of devices and users that it does not name. */
export function touchesConfig(change: AppliedChange): boolean {
  return change.full || change.objects.some(({ kind }) => kind === 'SiteSettings' || isConfigKind(kind));
}
