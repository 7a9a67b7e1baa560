import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RolloutBody, RolloutSystem } from '@thinman/protocol';
import fc from 'fast-check';
import {
  afterAct,
  groupsReached,
  nextStep,
  type Rollout,
  type RolloutAct,
  type RolloutFacts,
  type RolloutStep,
  subjectOf,
} from './rollout.ts';

const MINUTE_MS = 60_000;
const NOW_MS = Date.UTC(2026, 11, 1, 12);

const BODY: RolloutBody = {
  of: { policy: 'quiet' },
  to: { settings: {} },
  stages: [{ deviceGroups: ['pilot'], holdMinutes: 10 }, { deviceGroups: ['ward-3', 'ward-4'] }],
};
const RUNNING: RolloutSystem = { state: 'running', stage: 0, stageSince: NOW_MS, began: 7, base: 5 };

const rollout = (body: Partial<RolloutBody> = {}, progress: Partial<RolloutSystem> | null = {}): Rollout => ({
  name: 'r',
  body: { ...BODY, ...body },
  progress: progress === null ? undefined : { ...RUNNING, ...progress },
});
const facts = (
  given: Partial<RolloutFacts> = {},
  tally: Partial<NonNullable<RolloutFacts['tally']>> = {},
): RolloutFacts => ({
  nowMs: NOW_MS + 10 * MINUTE_MS,
  subjectGeneration: 5,
  tally: { applied: 10, pending: 0, failed: 0, waiting: 0, ...tally },
  ...given,
});

describe('the next step of a rollout', () => {
  const CASES: readonly (readonly [
    why: string,
    rollout: Rollout,
    facts: RolloutFacts,
    expected: RolloutStep['kind'],
  ])[] = [
    ['begins at once', rollout({}, null), facts(), 'begin'],
    ['begins when its moment has come', at('2026-12-01T13:10'), facts(), 'begin'],
    ['not a minute before', at('2026-12-01T13:11'), facts(), 'wait'],
    ['not without what it changes', rollout({}, null), facts({ subjectGeneration: undefined }), 'wait'],
    ['goes on when a stage is through', rollout(), facts(), 'advance'],
    ['not before its hold is over', rollout(), facts({ nowMs: NOW_MS + 10 * MINUTE_MS - 1 }), 'wait'],
    ['not before all have been looked at', rollout(), facts({ tally: undefined }), 'wait'],
    ['what waits for a reboot has it', rollout(), facts({}, { applied: 0, pending: 90, waiting: 10 }), 'advance'],
    [
      'stops without looking at them when it was changed by hand',
      rollout(),
      facts({ tally: undefined, subjectGeneration: 6 }),
      'stop',
    ],
    ['not while too many wait', rollout(), facts({}, { applied: 89, waiting: 11 }), 'wait'],
    ['though some wait', rollout(), facts({}, { applied: 90, waiting: 10 }), 'advance'],
    [
      'not at 90 where all are asked for',
      rollout({ advanceAtPercent: 100 }),
      facts({}, { applied: 99, waiting: 1 }),
      'wait',
    ],
    ['a stage without devices is through', rollout(), facts({}, { applied: 0 }), 'advance'],
    ['the last stage is the end', rollout({}, { stage: 1 }), facts(), 'finish'],
    ['without a hold the next comes at once', rollout({}, { stage: 1 }), facts({ nowMs: NOW_MS }), 'finish'],
    ['no stage: at the end', rollout({ stages: [] }), facts(), 'finish'],
    ['stops above 5 percent', rollout(), facts({}, { applied: 94, failed: 6 }), 'stop'],
    ['not at 5 percent', rollout(), facts({}, { applied: 95, failed: 5 }), 'advance'],
    ['those who have told nothing do not count', rollout(), facts({}, { applied: 9, failed: 1, waiting: 990 }), 'stop'],
    ['one that fails in a stage of one is too many', rollout(), facts({}, { applied: 0, failed: 1 }), 'stop'],
    ['a number', rollout({ limits: { failedDevices: 2 } }), facts({}, { failed: 3 }), 'stop'],
    ['not at the number', rollout({ limits: { failedDevices: 2 } }), facts({}, { failed: 2 }), 'advance'],
    ['either limit', rollout({ limits: { failedDevices: 50, failedPercent: 10 } }), facts({}, { failed: 2 }), 'stop'],
    ['none may fail', rollout({ limits: { failedDevices: 0 } }), facts({}, { applied: 900, failed: 1 }), 'stop'],
    ['all may fail', rollout({ limits: { failedPercent: 100 } }), facts({}, { applied: 0, failed: 9 }), 'advance'],
    ['stops before its hold is over', rollout(), facts({ nowMs: NOW_MS }, { failed: 9 }), 'stop'],
    [
      'takes itself back where it is told to',
      rollout({ onFailure: 'roll_back' }),
      facts({}, { failed: 9 }),
      'roll_back',
    ],
    ['stops when what it changes was changed', rollout(), facts({ subjectGeneration: 6 }), 'stop'],
    ['stops when what it changes is gone', rollout(), facts({ subjectGeneration: undefined }), 'stop'],
    ...(['paused', 'stopped', 'finished', 'rolled_back'] as const).map(
      state => [`does nothing: ${state}`, rollout({}, { state }), facts({}, { failed: 9 }), 'wait'] as const,
    ),
  ];
  for (const [why, given, about, expected] of CASES) {
    test(why, () => assert.equal(nextStep(given, about).kind, expected));
  }

  function at(moment: string): Rollout {
    return rollout({ activateAt: { at: moment, timeZone: 'Europe/Rome' } }, null);
  }
});

test('groups are those of the stages that have begun, while it is out', () => {
  assert.deepEqual(groupsReached(rollout()), ['pilot']);
  assert.deepEqual(groupsReached(rollout({}, { stage: 1 })), ['pilot', 'ward-3', 'ward-4']);
  for (const state of ['paused', 'stopped'] as const)
    assert.deepEqual(groupsReached(rollout({}, { state })), ['pilot']);
  for (const state of ['finished', 'rolled_back'] as const) assert.deepEqual(groupsReached(rollout({}, { state })), []);
  assert.deepEqual(groupsReached(rollout({}, null)), []);
});

test('what it changes is one thing', () => {
  assert.deepEqual(subjectOf({ profile: 'p' }), { kind: 'Profile', name: 'p' });
  assert.equal(subjectOf({}), undefined);
  assert.equal(subjectOf({ policy: 'p', profile: 'p' }), undefined);
});

test('what administrators may ask', () => {
  const CASES: readonly [Partial<RolloutSystem> | null, RolloutAct, string | RegExp][] = [
    [{}, 'pause', 'paused'],
    [{ state: 'stopped' }, 'pause', /does not run/],
    [{ state: 'paused' }, 'resume', 'running'],
    [{ state: 'stopped', why: 'x' }, 'resume', 'running'],
    [{}, 'resume', /runs already/],
    [{}, 'roll_back', 'rolled_back'],
    [{ state: 'stopped' }, 'roll_back', 'rolled_back'],
    [{ state: 'finished' }, 'roll_back', /is over/],
    [{ state: 'rolled_back' }, 'resume', /is over/],
    [{}, 'advance', 'running'],
    [{ stage: 1 }, 'advance', /last stage/],
    [null, 'pause', /has not begun/],
  ];
  for (const [progress, act, expected] of CASES) {
    const after = afterAct(rollout({}, progress), act, NOW_MS + 1);
    if (typeof expected === 'string') assert.equal(typeof after === 'string' ? after : after.state, expected);
    else assert.match(String(after), expected);
  }
  const resumed = afterAct(rollout({}, { state: 'stopped', why: 'too many' }), 'resume', NOW_MS);
  assert.equal(typeof resumed === 'string' || 'why' in resumed, false);
  assert.deepEqual(afterAct(rollout(), 'advance', NOW_MS + 1), { ...RUNNING, stage: 1, stageSince: NOW_MS + 1 });
});

test('whatever devices tell, no stage is left out, and none begins above the limits', () => {
  const tallies = fc.record({ applied: fc.nat(50), pending: fc.nat(9), failed: fc.nat(5), waiting: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(tallies, { maxLength: 30 }), fc.integer({ min: 0, max: 4 }), (told, stages) => {
      const body = { ...BODY, stages: Array.from({ length: stages }, (_, n) => ({ deviceGroups: [`g${n}`] })) };
      let progress: RolloutSystem | undefined = { ...RUNNING };
      for (const tally of told) {
        const now: Rollout = { name: 'r', body, progress };
        const step = nextStep(now, { nowMs: NOW_MS, subjectGeneration: 5, tally });
        const tooMany = tally.failed * 100 > 5 * (tally.failed + tally.pending + tally.applied);
        if (tooMany) assert.equal(step.kind, 'stop');
        if (step.kind === 'advance') assert.equal(step.stage, progress.stage + 1);
        if (step.kind === 'finish') assert.ok(progress.stage >= stages - 1);
        if (step.kind !== 'advance') {
          if (step.kind !== 'wait') return;
          continue;
        }
        progress = { ...progress, stage: step.stage };
      }
    }),
  );
});
