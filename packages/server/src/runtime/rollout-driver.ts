import type { AssignmentBody, DeviceBody, PolicyBody, RolloutSystem } from '@thinman/protocol';
import { flattenSettings } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { AdminDeps, WriteDeps } from '../admin-plane/admin-deps.ts';
import { type Committed, commit, type Work } from '../admin-plane/commit.ts';
import { devicesIn } from '../admin-plane/device-pages.ts';
import { groupsWithin } from '../core/deployment.ts';
import { createReachFilter } from '../core/reach.ts';
import {
  groupsReached,
  isOver,
  nextStep,
  type Rollout,
  type RolloutFacts,
  type RolloutStep,
  type RolloutTally,
  readRollout,
  subjectOf,
} from '../core/rollout.ts';
import type { SiteConfig } from '../core/site-config.ts';
import { isActive, momentText } from '../core/staged-index.ts';
import { momentOf } from '../core/wall-time.ts';
import type { Outcome } from '../http/outcome.ts';
import type { BundleReport, StoredObject } from '../ports.ts';

/** How soon a planned moment is carried out, and a failure counts: well below what a person notices of a rollout. */
export const ROLLOUT_LOOK_MS = 5_000;
/** Devices of one question to the database. */
const DEVICES_AT_A_TIME = 500;
/** As which its commits stand in the history. */
const DRIVER = { name: 'rollout', role: 'owner' } as const;

export type RolloutDriver = {
  start(): void;
  /** One look, now; for tests, and for who will not wait. */
  look(): Promise<void>;
  stop(): Promise<void>;
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

  async function lookAtAll(): Promise<void> {
    if (!mayDrive()) return;
    for (const object of replica.list('Rollout')) {
      const rollout = readRollout(object.name, object.body, object.system);
      if (!isOver(rollout)) await drive(rollout, object);
    }
    for (const object of replica.list('Assignment')) if (isDue(object, clock.nowMs())) await activate(object.name);
  }

  async function drive(rollout: Rollout, stored: StoredObject): Promise<void> {
    const facts = await factsOf(rollout);
    const step = nextStep(rollout, facts);
    if (step.kind === 'wait') return;
    const outcome = await commit(write, DRIVER, async (transaction): Promise<Work<RolloutSystem | undefined>> => {
      const now = await transaction.get('Rollout', rollout.name);
      const of = subjectOf(rollout.body.of);
      // Somebody was faster: what was decided rests on what it was.
      if (of === undefined || now?.generation !== stored.generation) return { result: undefined, touched: [] };
      const subject = await transaction.get(of.kind, of.name);
      const progress = progressAfter(step, rollout, clock.nowMs(), {
        generation: transaction.version.generation,
        base: subject?.generation ?? 0,
      });
      const touched: Work<unknown>['touched'][number][] = [{ kind: 'Rollout', name: rollout.name, change: 'updated' }];
      if (step.kind === 'finish' || (step.kind === 'begin' && rollout.body.stages.length === 0)) {
        if (subject?.generation !== facts.subjectGeneration || subject === undefined)
          return { result: undefined, touched: [] };
        await transaction.put(of.kind, of.name, { ...rollout.body.to }, { ...subject.system });
        touched.push({ kind: of.kind, name: of.name, change: 'updated' });
      }
      await transaction.put('Rollout', rollout.name, { ...now.body }, { ...now.system, rollout: progress });
      return { result: progress, touched };
    });
    const progress = resultOf(outcome);
    if (progress === undefined) return;
    const { state, stage, why } = progress;
    log.info({ rollout: rollout.name, state, stage, why }, 'a rollout has gone on');
    await events.write('rollout.changed', { rollout: rollout.name, state, stage, ...(why !== undefined && { why }) });
  }

  async function factsOf(rollout: Rollout): Promise<RolloutFacts> {
    const of = subjectOf(rollout.body.of);
    const subjectGeneration = of && replica.get(of.kind, of.name)?.generation;
    const running = rollout.progress?.state === 'running';
    const tally = running ? await tallyOf(rollout) : { applied: 0, failed: 0, waiting: 0 };
    return { nowMs: clock.nowMs(), subjectGeneration, tally };
  }

  async function tallyOf(rollout: Rollout): Promise<RolloutTally> {
    const config = site.config();
    const groups = groupsWithin(config, new Set(groupsReached(rollout)));
    const scopes = [...groups].sort().map(name => ({ kind: 'group' as const, name }));
    const targets = site.targetsOf({ kind: 'Rollout', name: rollout.name });
    const concerns = createReachFilter({ kind: 'targets', targets }, config);
    const sections = sectionsTouched(rollout, config);
    const tally = { applied: 0, failed: 0, waiting: 0 };
    for (let after: string | undefined; !stopped; ) {
      const page = devicesIn(replica, scopes, { limit: DEVICES_AT_A_TIME, ...(after !== undefined && { after }) });
      const devices = page.devices.filter(({ name, body }) => {
        const { group, revoked } = body as DeviceBody;
        return revoked !== true && concerns({ device: name, group, isInUse: false, user: undefined });
      });
      const reports = await record.reports(page.devices.map(({ name }) => `device:${name}`));
      const own = new Map(reports.flatMap(report => (report.user === '' ? [[report.origin, report] as const] : [])));
      for (const device of devices) tally[kindOf(device, own.get(`device:${device.name}`), sections)]++;
      const began = rollout.progress?.began ?? Number.POSITIVE_INFINITY;
      const groupOf = new Map(page.devices.map(({ name, body }) => [`device:${name}`, (body as DeviceBody).group]));
      for (const report of reports.filter(({ user }) => user !== '')) {
        const place = { device: report.origin.slice('device:'.length), group: groupOf.get(report.origin) };
        // Who is not signed in gets it with the next login: nobody waits for that, but what fails counts.
        if (report.version.generation < began || !concerns({ ...place, isInUse: true, user: report.user })) continue;
        tally[failedIn(report, sections) ? 'failed' : 'applied']++;
      }
      after = page.next;
      if (after === undefined) break;
    }
    return tally;
  }

  /** Only what a device tells of the very bundle that holds for it now says anything of the new body. */
  function kindOf(
    device: StoredObject,
    report: BundleReport | undefined,
    sections: ReadonlySet<string>,
  ): keyof RolloutTally {
    if (report === undefined || report.etag !== site.currentEtag(device)) return 'waiting';
    return failedIn(report, sections) ? 'failed' : 'applied';
  }

  async function activate(name: string): Promise<void> {
    const outcome = await commit(write, DRIVER, async (transaction): Promise<Work<true | undefined>> => {
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
    round ??= lookAtAll()
      .catch(error => log.warn({ err: error }, 'rollouts could not be looked at; they are looked at again'))
      .finally(() => {
        round = undefined;
        if (!stopped) cancel = clock.after(ROLLOUT_LOOK_MS, () => void look());
      });
    return round;
  }

  return {
    start() {
      cancel = clock.after(ROLLOUT_LOOK_MS, () => void look());
    },
    look,
    async stop() {
      stopped = true;
      cancel();
      await round;
    },
  };
}

function failedIn(report: BundleReport, sections: ReadonlySet<string>): boolean {
  return Object.entries(report.sections).some(([name, { result }]) => result === 'failed' && sections.has(name));
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
  now: { readonly generation: number; readonly base: number },
): RolloutSystem {
  const held = progress ?? { stage: 0, stageSince: nowMs, began: now.generation, base: now.base };
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

/** Sections that the old body or the new one sets: a printer that failed before has nothing to do with a wallpaper. */
function sectionsTouched({ body }: Rollout, config: SiteConfig): ReadonlySet<string> {
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
