import type { AssignmentTarget, Connection, DeviceFacts } from '@thinman/protocol';
import type { Filter } from './filter.ts';

/**
 * What resolution reads: plain data, laid so that the cost of one answer depends on what concerns this device and this
 * user, never on how many other groups, policies and assignments the site has. Devices and users are not in here: they
 * come with the question.
 */
export type SiteConfig = {
  readonly deviceGroups: ReadonlyMap<string, Group>;
  readonly userGroups: ReadonlyMap<string, Group>;
  readonly policies: ReadonlyMap<string, Policy>;
  readonly profiles: ReadonlyMap<string, Profile>;
  /** Assignments by the side of their target that a device fixes, then by the side that a user fixes. */
  readonly assignments: ReadonlyMap<TargetSide, ReadonlyMap<TargetSide, readonly Assignment[]>>;
  /** Of all assignments that have one; where a rollout or a moment is to come, of those too. */
  readonly filters: ReadonlySet<Filter>;
};

export type Group = { readonly parent?: string };

/** A policy with its settings flattened to dotted keys of the catalogue; unknown keys are left out. */
export type Policy = {
  readonly name: string;
  readonly scope: 'device' | 'user' | 'both';
  readonly settings: ReadonlyMap<string, unknown>;
  readonly enforced: ReadonlySet<string>;
};

export type Profile = { readonly name: string; readonly connections: readonly Connection[] };

export type Assignment = {
  readonly name: string;
  readonly target: AssignmentTarget;
  readonly priority: number;
  readonly where?: Filter;
  readonly policy?: string;
  readonly profile?: string;
};

/** One half of a target as a map key: `''` (nothing asked), `device:NAME`, `deviceGroup:NAME`, `user:NAME`, `userGroup:NAME`. */
export type TargetSide = '' | `${'device' | 'deviceGroup' | 'user' | 'userGroup'}:${string}`;

/** The side of a target that a device fixes: the narrower of its device and its device group. */
export function deviceSide(target: AssignmentTarget): TargetSide {
  if (target.device !== undefined) return `device:${target.device}`;
  return target.deviceGroup !== undefined ? `deviceGroup:${target.deviceGroup}` : '';
}

/** The side of a target that a user fixes. */
export function userSide(target: AssignmentTarget): TargetSide {
  if (target.user !== undefined) return `user:${target.user}`;
  return target.userGroup !== undefined ? `userGroup:${target.userGroup}` : '';
}

/** Of whom resolution is asked. Groups are names; a directory's user has no object, only a name and groups. */
export type Subject = {
  readonly device: {
    readonly name: string;
    readonly group?: string;
    readonly attributes?: Readonly<Record<string, string>>;
    readonly facts?: DeviceFacts;
  };
  readonly user?: { readonly name: string; readonly groups: readonly string[] };
};

/**
 * A group and everything around it, outermost first. A group without an object (one of a directory) has nothing around
 * it. Apply refuses cycles; should one be there all the same, each group counts once.
 */
export function groupChain(groups: ReadonlyMap<string, Group>, innermost: string | undefined): readonly string[] {
  const chain: string[] = [];
  const seen = new Set<string>();
  for (let name = innermost; name !== undefined && !seen.has(name); name = groups.get(name)?.parent) {
    seen.add(name);
    chain.push(name);
  }
  return chain.reverse();
}

/** All groups that the user is in, by nesting too, with their depth: 0 = outermost. */
export function groupDepths(
  groups: ReadonlyMap<string, Group>,
  direct: readonly string[],
): ReadonlyMap<string, number> {
  const depths = new Map<string, number>();
  for (const group of direct) {
    // Up to the root, or to what is known already: a tree may be deep, and this is asked of every device and user.
    const way = new Set<string>();
    let around: string | undefined = group;
    while (around !== undefined && !way.has(around) && !depths.has(around)) {
      way.add(around);
      around = groups.get(around)?.parent;
    }
    let depth = (around === undefined ? undefined : depths.get(around)) ?? -1;
    for (const member of [...way].reverse()) depths.set(member, ++depth);
  }
  return depths;
}
