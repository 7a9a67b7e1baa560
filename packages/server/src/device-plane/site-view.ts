import { type AssignmentTarget, type FileBody, SITE_SETTINGS_NAME, type SiteSettingsBody } from '@thinman/protocol';
import { EVERYBODY, MAX_TARGETS, NOBODY, type Reach, reachesByTargets } from '../core/reach.ts';
import type { SiteConfig } from '../core/site-config.ts';
import { createStagedIndex, isStagedKind, STAGED_KINDS } from '../core/staged-index.ts';
import type { AppliedChange, Replica, StoredObject } from '../ports.ts';

/** What many answers rest on, kept in memory in step with the replica. */
export type SiteView = {
  config(): SiteConfig;
  /** As it counts for devices of this group. */
  configFor(group: string | undefined): SiteConfig;
  files(): ReadonlyMap<string, FileBody>;
  /** Targets of what this object is, or is used by. */
  targetsOf(object: Pick<StoredObject, 'kind' | 'name'>): readonly AssignmentTarget[];
  settings(): SiteSettingsBody;
  /** Another number whenever `config` or `settings` have changed: what was computed from them is void. */
  revision(): number;
  /** Of the change that was applied last: for those who hear of that after this view. */
  reach(): Reach;
  close(): void;
};

/** Create it before any other listener of the replica that reads it: listeners are told in the order of their coming. */
export function followReplica(replica: Pick<Replica, 'get' | 'list' | 'onApplied'>): SiteView {
  const index = createStagedIndex();
  let settings: SiteSettingsBody = {};
  let revision = 0;
  let reach: Reach = EVERYBODY;

  const readSettings = () => {
    settings = (replica.get('SiteSettings', SITE_SETTINGS_NAME)?.body ?? {}) as SiteSettingsBody;
  };
  const rebuild = () => {
    index.clear();
    for (const kind of STAGED_KINDS) for (const object of replica.list(kind)) index.update(object);
    readSettings();
    revision += 1;
  };
  /** undefined: everybody, or so many that nobody needs to look. */
  const targetsOf = ({ objects }: AppliedChange) => {
    if (objects.length > MAX_TARGETS || !objects.every(({ kind }) => reachesByTargets(kind))) return undefined;
    if (objects.some(index.saysOffline)) return undefined;
    const targets = objects.flatMap(index.targetsOf);
    return targets.length > MAX_TARGETS ? undefined : targets;
  };
  rebuild();
  const stop = replica.onApplied(change => {
    reach = EVERYBODY;
    if (change.full) return rebuild();
    if (!touchesConfig(change)) {
      reach = NOBODY;
      return;
    }
    // An assignment that leaves a target reaches it too.
    const before = targetsOf(change);
    for (const object of change.objects) index.update(object);
    const after = targetsOf(change);
    if (before !== undefined && after !== undefined) reach = { kind: 'targets', targets: [...before, ...after] };
    readSettings();
    revision += 1;
  });
  return {
    config: () => index.config,
    configFor: index.configFor,
    files: () => index.files,
    targetsOf: index.targetsOf,
    settings: () => settings,
    revision: () => revision,
    reach: () => reach,
    close: stop,
  };
}

/** Whether anything of it may change bundles of devices and users that it does not name. */
export function touchesConfig(change: AppliedChange): boolean {
  return change.full || change.objects.some(({ kind }) => kind === 'SiteSettings' || isStagedKind(kind));
}
