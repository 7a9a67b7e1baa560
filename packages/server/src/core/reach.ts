import type { AssignmentTarget, ObjectKind } from '@thinman/protocol';
import { groupChain, type SiteConfig } from './site-config.ts';
import { isConfigKind } from './site-index.ts';

/** Whose bundles a change of the configuration may have changed. */
export type Reach =
  /** Anybody's. */
  | { readonly kind: 'everybody' }
  /** Of those whom one of these targets fits, or fitted before. */
  | { readonly kind: 'targets'; readonly targets: readonly AssignmentTarget[] };

export const NOBODY: Reach = { kind: 'targets', targets: [] };
export const EVERYBODY: Reach = { kind: 'everybody' };

/** Above it, looking whom they fit costs as much as resolving for everybody. */
export const MAX_TARGETS = 50;

/** Kinds of which a change reaches no further than the targets of assignments. Groups shape what other targets mean. */
export function reachesByTargets(kind: ObjectKind): boolean {
  return !isConfigKind(kind) ? kind !== 'SiteSettings' : kind !== 'DeviceGroup' && kind !== 'UserGroup';
}

/** A device, and who is signed in there, as far as that is known. */
export type Place = {
  readonly device: string;
  readonly group: string | undefined;
  readonly isInUse: boolean;
  /** undefined: not known, or nobody. */
  readonly user: string | undefined;
};

/** Whether a place may be reached; false only where it is certain that it is not. For one pass over many places. */
export function createReachFilter(reach: Reach, config: SiteConfig): (place: Place) => boolean {
  if (reach.kind === 'everybody') return () => true;
  const chains = new Map<string, ReadonlySet<string>>();
  const isIn = (group: string | undefined, wanted: string): boolean => {
    if (group === undefined) return false;
    const chain = chains.get(group) ?? new Set(groupChain(config.deviceGroups, group));
    chains.set(group, chain);
    return chain.has(wanted);
  };
  const fits = (target: AssignmentTarget, { device, group, isInUse, user }: Place): boolean => {
    if (target.device !== undefined && target.device !== device) return false;
    if (target.deviceGroup !== undefined && !isIn(group, target.deviceGroup)) return false;
    // A device's own bundle rests on no target that asks for a user.
    if ((target.user !== undefined || target.userGroup !== undefined) && !isInUse) return false;
    return target.user === undefined || user === undefined || target.user === user;
  };
  return place => reach.targets.some(target => fits(target, place));
}
