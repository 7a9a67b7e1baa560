import {
  type AssignmentBody,
  DEFAULT_ADVANCE_AT_PERCENT,
  DEFAULT_FAILED_PERCENT,
  flattenSettings,
  type ObjectKind,
  type PolicyBody,
  type RolloutBody,
  type RolloutDevices,
  type RolloutSubject,
  type RolloutSystem,
} from '@thinman/protocol';
import type { SiteConfig } from './site-config.ts';
import { momentOf } from './wall-time.ts';

/** A rollout as it stands: what was asked for, and how far it is. Immutable. */
export type Rollout = {
  readonly name: string;
  readonly body: RolloutBody;
  /** undefined: not begun. */
  readonly progress: RolloutSystem | undefined;
  /** Of the policy's new body, sealed for it, by field. */
  readonly secrets?: Readonly<Record<string, unknown>> | undefined;
};

export const readRollout = (name: string, body: unknown, system: unknown): Rollout => {
  const { rollout, secrets } = system as Pick<Rollout, 'secrets'> & { readonly rollout?: RolloutSystem };
  return { name, body: body as RolloutBody, progress: rollout, secrets };
};

export type SubjectKind = Extract<ObjectKind, 'Policy' | 'Profile' | 'Assignment'>;

/** The object that a rollout changes; undefined: it names none, or several. */
export function subjectOf(of: RolloutSubject): { readonly kind: SubjectKind; readonly name: string } | undefined {
  const named = [
    { kind: 'Policy', name: of.policy },
    { kind: 'Profile', name: of.profile },
    { kind: 'Assignment', name: of.assignment },
  ] as const;
  const given = named.flatMap(({ kind, name }) => (name === undefined ? [] : [{ kind, name }]));
  return given.length === 1 ? given[0] : undefined;
}

/** Its new body counts for some devices. Stopped or paused, those that have it keep it. */
export function isOut({ progress }: Pick<Rollout, 'progress'>): boolean {
  return progress?.state === 'running' || progress?.state === 'paused' || progress?.state === 'stopped';
}

/** Nothing more comes of it. */
export function isOver({ progress }: Rollout): boolean {
  return progress?.state === 'finished' || progress?.state === 'rolled_back';
}

/** Groups whose devices have the new body: those of all stages that have begun. */
export function groupsReached(rollout: Rollout): readonly string[] {
  if (!isOut(rollout)) return [];
  return rollout.body.stages.slice(0, (rollout.progress?.stage ?? 0) + 1).flatMap(({ deviceGroups }) => deviceGroups);
}

/** Devices that the rollout has reached and whose bundle it concerns, by what they have reported of it. */
export type RolloutTally = Readonly<RolloutDevices>;

export type RolloutFacts = {
  readonly nowMs: number;
  /** Of the object; undefined: it is gone. */
  readonly subjectGeneration: number | undefined;
  /** Of the devices in the stages that have begun; undefined: not all of them have been looked at yet. */
  readonly tally: RolloutTally | undefined;
};

/** What is to become of it now. */
export type RolloutStep =
  | { readonly kind: 'wait' }
  /** The first stage; with none, everybody. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'advance'; readonly stage: number }
  /** The object gets the new body. */
  | { readonly kind: 'finish' }
  | { readonly kind: 'stop'; readonly why: string }
  | { readonly kind: 'roll_back'; readonly why: string };

/** The next step of a rollout. Pure: the Primary's driver asks, and commits what it is told. */
export function nextStep(rollout: Rollout, facts: RolloutFacts): RolloutStep {
  const { body, progress } = rollout;
  if (progress === undefined) return beginning(body, facts);
  if (progress.state !== 'running') return WAIT;
  if (facts.subjectGeneration === undefined) return { kind: 'stop', why: 'what it changes was deleted' };
  if (facts.subjectGeneration !== progress.base) {
    return { kind: 'stop', why: 'what it changes was changed by somebody else since it began' };
  }
  if (facts.tally === undefined) return WAIT;
  const excess = excessOf(body, facts.tally);
  if (excess !== undefined) return { kind: body.onFailure ?? 'stop', why: excess };
  const stage = body.stages[progress.stage];
  if (stage === undefined) return { kind: 'finish' };
  if (facts.nowMs < progress.stageSince + (stage.holdMinutes ?? 0) * MINUTE_MS) return WAIT;
  if (!isThrough(body, facts.tally)) return WAIT;
  const next = progress.stage + 1;
  return next < body.stages.length ? { kind: 'advance', stage: next } : { kind: 'finish' };
}

const WAIT: RolloutStep = { kind: 'wait' };
const MINUTE_MS = 60_000;

function beginning({ activateAt }: RolloutBody, { nowMs, subjectGeneration }: RolloutFacts): RolloutStep {
  const atMs = activateAt === undefined ? nowMs : momentOf(activateAt);
  if (subjectGeneration === undefined || atMs === undefined || nowMs < atMs) return WAIT;
  return { kind: 'begin' };
}

/** Why too many have failed; undefined: they have not. Both limits count where both are given. */
function excessOf({ limits = {} }: RolloutBody, { applied, pending, failed }: RolloutTally): string | undefined {
  const { failedDevices, failedPercent } = limits;
  const told = applied + pending + failed;
  if (failed === 0) return undefined;
  if (failedDevices !== undefined && failed > failedDevices) {
    return `${failed} devices and users failed to apply it, and ${failedDevices} may`;
  }
  const percent = failedPercent ?? (failedDevices === undefined ? DEFAULT_FAILED_PERCENT : undefined);
  if (percent === undefined || failed * 100 <= percent * told) return undefined;
  return `${failed} of ${told} devices and users failed to apply it, and ${percent} percent may`;
}

/** A stage without devices is through. */
function isThrough({ advanceAtPercent = DEFAULT_ADVANCE_AT_PERCENT }: RolloutBody, tally: RolloutTally): boolean {
  const { applied, pending, failed, waiting } = tally;
  const told = applied + pending + failed;
  return told * 100 >= advanceAtPercent * (told + waiting);
}

/** What administrators may ask of it. */
export type RolloutAct = 'pause' | 'resume' | 'roll_back' | 'advance';

/** How it stands after an act; a text: why it cannot be done. `advance`: on to the next stage, whatever devices say. */
export function afterAct(rollout: Rollout, act: RolloutAct, nowMs: number): RolloutSystem | string {
  const { progress, body } = rollout;
  if (progress === undefined) return 'it has not begun: delete it, or change its activateAt';
  if (isOver(rollout)) return `it is over (${progress.state}): make another one`;
  switch (act) {
    case 'pause':
      return progress.state === 'running' ? { ...progress, state: 'paused' } : `it does not run (${progress.state})`;
    case 'resume': {
      if (progress.state === 'running') return 'it runs already';
      const { why: _why, ...rest } = progress;
      return { ...rest, state: 'running' };
    }
    case 'roll_back':
      return { ...progress, state: 'rolled_back' };
    case 'advance':
      if (progress.stage + 1 >= body.stages.length) return 'it is at its last stage, and finishes by itself';
      return { ...progress, stage: progress.stage + 1, stageSince: nowMs };
    default:
      return act satisfies never;
  }
}

/** Sections that the old body or the new one sets: a printer that failed before has nothing to do with a wallpaper. */
export function sectionsTouched({ body }: Rollout, config: SiteConfig): ReadonlySet<string> {
  const sections = new Set(['files']);
  const add = (keys: Iterable<string>) => {
    for (const key of keys) sections.add(key.split('.', 1)[0] ?? key);
  };
  const { policy, profile } = body.of;
  const assigned = body.of.assignment === undefined ? {} : (body.to as Partial<AssignmentBody>);
  if (profile !== undefined || assigned.profile !== undefined) sections.add('connections');
  for (const name of [policy, assigned.policy]) {
    if (name !== undefined) add(config.policies.get(name)?.settings.keys() ?? []);
  }
  if (policy !== undefined) add(flattenSettings((body.to as PolicyBody).settings).known.keys());
  return sections;
}
