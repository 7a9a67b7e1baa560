import type { AssignmentBody, RecordedEvent, RolloutDevices, RolloutSystem } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { AdminDeps, WriteDeps } from '../admin-plane/admin-deps.ts';
import { type Committed, commit, type Work } from '../admin-plane/commit.ts';
import {
  isOut,
  isOver,
  nextStep,
  type Rollout,
  type RolloutFacts,
  type RolloutStep,
  readRollout,
  subjectOf,
} from '../core/rollout.ts';
import { systemWith } from '../core/sealed.ts';
import { isActive, momentText } from '../core/staged-index.ts';
import { momentOf } from '../core/wall-time.ts';
import { touchesConfig } from '../device-plane/site-view.ts';
import type { Outcome } from '../http/outcome.ts';
import type { AppliedChange, StoredObject } from '../ports.ts';
import { createRolloutCount, type RolloutCount } from './rollout-count.ts';

/** How soon a planned moment is carried out, and a failure counts: well below what a person notices of a rollout. */
export const ROLLOUT_LOOK_MS = 5_000;
/** While not all devices are counted: four looks a second. */
const COUNT_ON_MS = 250;
/**
 * Of one look, over all rollouts: with an ETag to compute for each (some 0.08 ms, `npm run bench -- deployment`) a third of one
 * core while they are counted, in slices of 2 ms; 100,000 take half a minute.
 */
export const DEVICES_A_LOOK = 1_000;
/** All are counted anew, whatever was heard: a count that is wrong mends itself. */
const RECOUNT_MS = 10 * 60_000;
/** As which its commits stand in the history. */
const DRIVER = { name: 'rollout', role: 'owner' } as const;
/** The same for an assignment whose moment has come: there is no rollout in it. */
const CALENDAR = { name: 'activateAt', role: 'owner' } as const;

export type RolloutDriver = {
  start(): void;
  /** One look, now; for tests, and for who will not wait. */
  look(): Promise<void>;
  /** What these devices told of their bundles is in the source of record. */
  heard(events: readonly Pick<RecordedEvent, 'type' | 'origin'>[]): void;
  /** Of one that is out; undefined: another server counts. */
  standing(rollout: string): RolloutStanding | undefined;
  stop(): Promise<void>;
};

export type RolloutStanding = {
  /** undefined: none has been looked at since this server began to count. */
  readonly devices: RolloutDevices | undefined;
  /** Not all of its devices have been looked at. */
  readonly isCounting: boolean;
};

export type RolloutDriverOptions = {
  readonly write: WriteDeps;
  readonly site: Pick<AdminDeps, 'config' | 'targetsOf' | 'currentEtag'>;
  /** It administers, and its database answers. */
  readonly mayDrive: () => boolean;
  readonly log: Pick<Logger, 'warn' | 'info'>;
};

/** On the Primary: begins rollouts and assignments when their moment has come, and takes rollouts on. Every step is a commit. */
export function createRolloutDriver({ write, site, mayDrive, log }: RolloutDriverOptions): RolloutDriver {
  const { replica, clock, record, events } = write;
  let stopped = false;
  let round: Promise<void> | undefined;
  let cancel = () => {};
  const counts = new Map<string, RolloutCount>();
  let countedAtMs = 0;
  let momentsAtMs = Number.NEGATIVE_INFINITY;
  const unfollow = replica.onApplied(change => {
    if (counts.size > 0) follow(change);
  });

  async function lookAtAll(): Promise<void> {
    if (!mayDrive()) {
      // Others may store what devices tell now.
      counts.clear();
      return;
    }
    const rollouts = replica.list('Rollout').map(stored => ({
      ...{ stored, rollout: readRollout(stored.name, stored.body, stored.system) },
    }));
    const out = rollouts.filter(({ rollout }) => isOut(rollout));
    const names = new Set(out.map(({ stored }) => stored.name));
    for (const name of counts.keys()) if (!names.has(name)) counts.delete(name);
    if (clock.nowMs() - countedAtMs >= RECOUNT_MS) {
      countedAtMs = clock.nowMs();
      for (const count of counts.values()) count.recount();
    }
    for (const { rollout, stored } of out) {
      if (!stopped) await count(rollout, stored, Math.ceil(DEVICES_A_LOOK / out.length));
    }
    const driven = rollouts.filter(({ rollout }) => !isOver(rollout));
    for (const { rollout, stored } of driven) if (await drive(rollout, stored)) followSteps(rollout.name);
    if (clock.nowMs() - momentsAtMs < ROLLOUT_LOOK_MS) return;
    momentsAtMs = clock.nowMs();
    for (const object of replica.list('Assignment')) if (isDue(object, clock.nowMs())) await activate(object.name);
  }

  async function count(rollout: Rollout, stored: StoredObject, limit: number): Promise<void> {
    await countOf(rollout, stored).take(limit);
  }

  function countOf(rollout: Rollout, stored: StoredObject): RolloutCount {
    const own = counts.get(rollout.name) ?? createRolloutCount({ replica, record, site });
    counts.set(rollout.name, own);
    own.follow(rollout, `${replica.site()?.version.epoch}.${stored.generation}`);
    return own;
  }

  /** After a step of its own: it has other devices from now on, so the next look is soon, and until then its numbers are said to grow. */
  function followSteps(name: string): void {
    const stored = replica.get('Rollout', name);
    const rollout = stored && readRollout(name, stored.body, stored.system);
    if (stored !== undefined && rollout !== undefined && isOut(rollout)) countOf(rollout, stored);
  }

  function follow(change: AppliedChange): void {
    if (touchesConfig(change)) for (const own of counts.values()) own.recount();
    for (const { kind, name } of change.objects) {
      if (kind === 'Device') for (const own of counts.values()) own.touch(name);
    }
  }

  /** Whether it has taken a step. */
  async function drive(rollout: Rollout, stored: StoredObject): Promise<boolean> {
    const facts = factsOf(rollout);
    const step = nextStep(rollout, facts);
    if (step.kind === 'wait') return false;
    const outcome = await commit(write, DRIVER, async (transaction): Promise<Work<RolloutSystem | undefined>> => {
      const now = await transaction.get('Rollout', rollout.name);
      const of = subjectOf(rollout.body.of);
      // Somebody was faster: what was decided rests on what it was.
      if (of === undefined || now?.generation !== stored.generation) return { result: undefined, touched: [] };
      const subject = await transaction.get(of.kind, of.name);
      const progress = progressAfter(step, rollout, clock.nowMs(), {
        generation: transaction.version.generation,
        base: subject?.generation ?? 0,
        ...(facts.tally !== undefined && { devices: facts.tally }),
      });
      const touched: Work<unknown>['touched'][number][] = [{ kind: 'Rollout', name: rollout.name, change: 'updated' }];
      if (step.kind === 'finish' || (step.kind === 'begin' && rollout.body.stages.length === 0)) {
        if (subject?.generation !== facts.subjectGeneration || subject === undefined)
          return { result: undefined, touched: [] };
        const system = systemWith(of.kind, rollout.body.to, subject.system, rollout.secrets);
        await transaction.put(of.kind, of.name, { ...rollout.body.to }, { ...system });
        touched.push({ kind: of.kind, name: of.name, change: 'updated' });
      }
      await transaction.put('Rollout', rollout.name, { ...now.body }, { ...now.system, rollout: progress });
      return { result: progress, touched };
    });
    const progress = resultOf(outcome);
    if (progress === undefined) return false;
    const { state, stage, why } = progress;
    log.info({ rollout: rollout.name, state, stage, why }, 'a rollout has gone on');
    await events.write('rollout.changed', { rollout: rollout.name, state, stage, ...(why !== undefined && { why }) });
    return true;
  }

  function factsOf(rollout: Rollout): RolloutFacts {
    const of = subjectOf(rollout.body.of);
    const subjectGeneration = of && replica.get(of.kind, of.name)?.generation;
    const own = counts.get(rollout.name);
    return { nowMs: clock.nowMs(), subjectGeneration, tally: own?.isComplete() === true ? own.tally() : undefined };
  }

  async function activate(name: string): Promise<void> {
    const outcome = await commit(write, CALENDAR, async (transaction): Promise<Work<true | undefined>> => {
      const stored = await transaction.get('Assignment', name);
      const { activateAt } = (stored?.body ?? {}) as Partial<AssignmentBody>;
      if (stored === undefined || activateAt === undefined || !isDue(stored, clock.nowMs())) {
        return { result: undefined, touched: [] };
      }
      const system = { ...stored.system, activatedFor: momentText(activateAt) };
      await transaction.put('Assignment', name, { ...stored.body }, system);
      return { result: true, touched: [{ kind: 'Assignment', name, change: 'updated' }] };
    });
    if (resultOf(outcome) === true) await events.write('assignment.activated', { assignment: name });
  }

  function resultOf<T>(outcome: Outcome<Committed<T>>): T | undefined {
    if (outcome.ok) return outcome.value.result;
    log.warn({ problem: outcome.problem }, 'a rollout could not go on; it is tried again');
    return undefined;
  }

  function look(): Promise<void> {
    cancel();
    let inTrouble = false;
    round ??= lookAtAll()
      .catch(error => {
        inTrouble = true;
        log.warn({ err: error }, 'rollouts could not be looked at; they are looked at again');
      })
      .finally(() => {
        round = undefined;
        const goesOn = !inTrouble && [...counts.values()].some(own => own.isBusy());
        if (!stopped) cancel = clock.after(goesOn ? COUNT_ON_MS : ROLLOUT_LOOK_MS, () => void look());
      });
    return round;
  }

  return {
    start() {
      cancel = clock.after(ROLLOUT_LOOK_MS, () => void look());
    },
    look,
    heard(events) {
      if (counts.size === 0) return;
      for (const { type, origin } of events) {
        if (type !== 'bundle.applied' || !origin.startsWith('device:')) continue;
        for (const own of counts.values()) own.touch(origin.slice('device:'.length));
      }
    },
    standing(name) {
      const own = counts.get(name);
      if (own !== undefined) return { devices: own.tally(), isCounting: !own.isComplete() };
      return mayDrive() ? { devices: undefined, isCounting: true } : undefined;
    },
    async stop() {
      stopped = true;
      unfollow();
      cancel();
      await round;
    },
  };
}

function isDue(object: StoredObject, nowMs: number): boolean {
  if (isActive(object)) return false;
  const { activateAt } = object.body as AssignmentBody;
  const atMs = activateAt && momentOf(activateAt);
  return atMs !== undefined && atMs <= nowMs;
}

function progressAfter(
  step: Exclude<RolloutStep, { kind: 'wait' }>,
  { body, progress }: Rollout,
  nowMs: number,
  now: { readonly generation: number; readonly base: number; readonly devices?: RolloutDevices },
): RolloutSystem {
  const held = {
    ...(progress ?? { stage: 0, stageSince: nowMs, began: now.generation, base: now.base }),
    ...(now.devices !== undefined && { devices: now.devices }),
  };
  switch (step.kind) {
    case 'begin':
      return { ...held, state: body.stages.length === 0 ? 'finished' : 'running' };
    case 'advance':
      return { ...held, state: 'running', stage: step.stage, stageSince: nowMs };
    case 'finish':
      return { ...held, state: 'finished' };
    case 'stop':
      return { ...held, state: 'stopped', why: step.why };
    case 'roll_back':
      return { ...held, state: 'rolled_back', why: step.why };
    default:
      return step satisfies never;
  }
}
