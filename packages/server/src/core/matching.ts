import type { AssignmentTarget } from '@thinman/protocol';
import { filterHolds } from './filter.ts';
import { type Assignment, groupDepths, type SiteConfig, type Subject, type TargetSide } from './site-config.ts';

/** Levels of a target from weakest to strongest; within the groups, the depth counts (outermost is weakest). */
export const LEVELS = ['site', 'deviceGroup', 'device', 'userGroup', 'user'] as const;
export type LevelKind = (typeof LEVELS)[number];

/** Where an assignment stands for one subject. */
export type Level = {
  readonly kind: LevelKind;
  /** Depth of the group in its tree; 0 elsewhere. */
  readonly depth: number;
  /** Several parts had to hold: above the plain assignments of its level. */
  readonly conjunction: boolean;
};

export type Match = { readonly assignment: Assignment; readonly level: Level };

/** Everything that is assigned to this subject, weakest first. The order is total, whatever the order of the data. */
export function matchingAssignments(config: SiteConfig, subject: Subject): readonly Match[] {
  const around = surroundings(config, subject);
  const matches: Match[] = [];
  for (const side of around.deviceSides) {
    const byUser = config.assignments.get(side);
    if (byUser === undefined) continue;
    for (const userSide of around.userSides) {
      for (const assignment of byUser.get(userSide) ?? []) {
        const level = levelOf(assignment.target, around);
        if (level === undefined) continue;
        if (assignment.where === undefined || filterHolds(assignment.where, subject.device))
          matches.push({ assignment, level });
      }
    }
  }
  return matches.sort(byStrength);
}

/** True where the level is one of a user: device-only settings ignore it. */
export function isUserLevel(level: Level): boolean {
  return level.kind === 'userGroup' || level.kind === 'user';
}

/** Negative: `a` stands at a weaker level. 0: the same level, where priority and name decide. */
export function compareLevels(a: Level, b: Level): number {
  return (
    LEVELS.indexOf(a.kind) - LEVELS.indexOf(b.kind) ||
    a.depth - b.depth ||
    Number(a.conjunction) - Number(b.conjunction)
  );
}

/** Within a level the higher priority is stronger, then the name that sorts first (by code units, in every locale). */
function byStrength(a: Match, b: Match): number {
  return (
    compareLevels(a.level, b.level) ||
    a.assignment.priority - b.assignment.priority ||
    (a.assignment.name < b.assignment.name ? 1 : a.assignment.name > b.assignment.name ? -1 : 0)
  );
}

type Surroundings = {
  readonly subject: Subject;
  readonly deviceGroups: ReadonlyMap<string, number>;
  readonly userGroups: ReadonlyMap<string, number>;
  readonly deviceSides: readonly TargetSide[];
  readonly userSides: readonly TargetSide[];
};

function surroundings(config: SiteConfig, subject: Subject): Surroundings {
  const { device, user } = subject;
  const deviceGroups = groupDepths(config.deviceGroups, device.group === undefined ? [] : [device.group]);
  const userGroups = groupDepths(config.userGroups, user?.groups ?? []);
  return {
    subject,
    deviceGroups,
    userGroups,
    deviceSides: ['', ...side('deviceGroup', deviceGroups.keys()), `device:${device.name}`],
    userSides: user === undefined ? [''] : ['', ...side('userGroup', userGroups.keys()), `user:${user.name}`],
  };
}

function side(kind: 'deviceGroup' | 'userGroup', names: Iterable<string>): TargetSide[] {
  return Array.from(names, name => `${kind}:${name}` as const);
}

/** The strongest level among the parts, if all of them hold. A target that asks for nothing concerns nobody. */
function levelOf(target: AssignmentTarget, around: Surroundings): Level | undefined {
  const { device, user } = around.subject;
  const parts: Omit<Level, 'conjunction'>[] = [];
  if (target.site === true) parts.push({ kind: 'site', depth: 0 });
  if (target.deviceGroup !== undefined) {
    const depth = around.deviceGroups.get(target.deviceGroup);
    if (depth === undefined) return undefined;
    parts.push({ kind: 'deviceGroup', depth });
  }
  if (target.device !== undefined) {
    if (target.device !== device.name) return undefined;
    parts.push({ kind: 'device', depth: 0 });
  }
  if (target.userGroup !== undefined) {
    const depth = around.userGroups.get(target.userGroup);
    if (depth === undefined) return undefined;
    parts.push({ kind: 'userGroup', depth });
  }
  if (target.user !== undefined) {
    if (target.user !== user?.name) return undefined;
    parts.push({ kind: 'user', depth: 0 });
  }
  const strongest = parts.at(-1);
  return strongest === undefined ? undefined : { ...strongest, conjunction: parts.length > 1 };
}
