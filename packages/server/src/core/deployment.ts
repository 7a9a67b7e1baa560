import type { AssignmentTarget, DeploymentState, SectionResult } from '@thinman/protocol';
import { compareVersions } from '@thinman/protocol';
import type { BundleReport, GenerationChange } from '../ports.ts';
import { EVERYBODY, MAX_TARGETS, type Reach } from './reach.ts';
import type { SiteConfig } from './site-config.ts';

/** How far a bundle is with a change: by what was told of it last, and by what the site would give it now. */
export type Progress = { readonly state: DeploymentState; readonly sections: Readonly<Record<string, SectionResult>> };

const WAITING: Progress = { state: 'waiting', sections: {} };

/**
 * A report counts for a change if it is of a bundle that is as new, or of the very bundle that holds now: then the change has made
 * no difference here, or has been made up for. `current` is asked only where it matters: it costs a resolution.
 */
export function progressOf(
  report: BundleReport | undefined,
  change: BundleReport['version'],
  current: () => string | undefined,
): Progress {
  if (report === undefined) return WAITING;
  const has = compareVersions(report.version, change) >= 0 || report.etag === current();
  return has ? { state: report.outcome, sections: troubleOf(report.sections) } : WAITING;
}

/** Sections about which there is something to say. */
function troubleOf(sections: BundleReport['sections']): Progress['sections'] {
  return Object.fromEntries(Object.entries(sections).filter(([, { result }]) => result !== 'applied'));
}

type TargetsOf = (object: Pick<GenerationChange, 'kind' | 'name'>) => readonly AssignmentTarget[];

/** Whom a commit may have concerned, by what its objects were and are; `targetsOf` by the configuration of today. */
export function reachOf(changes: readonly GenerationChange[], targetsOf: TargetsOf): Reach {
  const targets: AssignmentTarget[] = [];
  for (const change of changes) {
    const { kind, name, before, after } = change;
    switch (kind) {
      case 'SiteSettings':
      case 'DeviceGroup':
      case 'UserGroup':
        return EVERYBODY;
      case 'Device':
        targets.push({ device: name });
        break;
      case 'User':
        targets.push({ user: name });
        break;
      case 'Assignment':
        for (const body of [before, after]) if (body !== null) targets.push(body.to as AssignmentTarget);
        break;
      case 'Policy':
      case 'Profile':
      case 'File':
      case 'Rollout':
        targets.push(...targetsOf(change));
        break;
      default:
    }
  }
  return targets.length > MAX_TARGETS ? EVERYBODY : { kind: 'targets', targets };
}

/** Where to look for devices: everywhere, or only at some by name and in some groups. */
export type Scope = { readonly kind: 'all' } | { readonly kind: 'group' | 'device'; readonly name: string };

/** In a stable order, so that a page can say where it ended. */
export function scopesOf(reach: Reach, config: Pick<SiteConfig, 'deviceGroups'>): readonly Scope[] {
  if (reach.kind === 'everybody') return [{ kind: 'all' }];
  const devices = new Set<string>();
  const groups = new Set<string>();
  for (const { device, deviceGroup } of reach.targets) {
    if (device !== undefined) devices.add(device);
    else if (deviceGroup !== undefined) groups.add(deviceGroup);
    else return [{ kind: 'all' }];
  }
  return [
    ...[...groupsWithin(config, groups)].sort().map(name => ({ kind: 'group' as const, name })),
    ...[...devices].sort().map(name => ({ kind: 'device' as const, name })),
  ];
}

/** These groups and all within them. */
export function groupsWithin(
  config: Pick<SiteConfig, 'deviceGroups'>,
  outer: ReadonlySet<string>,
): ReadonlySet<string> {
  const within = new Set(outer);
  if (outer.size === 0) return within;
  // Each is walked over once, however deep the tree is.
  const outside = new Set<string>();
  for (const name of config.deviceGroups.keys()) {
    const way: string[] = [];
    let around: string | undefined = name;
    while (around !== undefined && !within.has(around) && !outside.has(around)) {
      way.push(around);
      outside.add(around);
      around = config.deviceGroups.get(around)?.parent;
    }
    if (around === undefined || !within.has(around)) continue;
    for (const member of way) {
      outside.delete(member);
      within.add(member);
    }
  }
  return within;
}
