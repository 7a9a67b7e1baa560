import Type, { type Static } from 'typebox';
import { ObjectName } from '../names.ts';
import { ActivateAt } from './activation.ts';
import { closed, description } from './shape.ts';

/** What a rollout changes: one policy, profile or assignment that there is. */
export const RolloutSubject = closed({
  policy: Type.Optional(ObjectName),
  profile: Type.Optional(ObjectName),
  assignment: Type.Optional(ObjectName),
});
export type RolloutSubject = Static<typeof RolloutSubject>;

/** Devices of these groups, and of the groups within them. */
export const RolloutStage = closed({
  deviceGroups: Type.Array(ObjectName, { minItems: 1, maxItems: 200 }),
  /** The next stage does not begin before; 0 where left out. */
  holdMinutes: Type.Optional(Type.Integer({ minimum: 0, maximum: 43_200 })),
});
export type RolloutStage = Static<typeof RolloutStage>;

/**
 * A new version of a policy, a profile or an assignment, given to some groups first. The object itself stays as it is until every
 * stage is through; then it gets this body, for everybody, in one commit.
 */
export const RolloutBody = closed({
  description,
  of: RolloutSubject,
  /** The whole new body. */
  to: Type.Record(Type.String(), Type.Unknown()),
  /** None: everybody at once (with `activateAt`: a change at a time). */
  stages: Type.Array(RolloutStage, { maxItems: 20 }),
  /** The first stage begins then, not before. */
  activateAt: Type.Optional(ActivateAt),
  /** A stage is through when so many percent of its devices have it; 90 where left out, for some are always switched off. */
  advanceAtPercent: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  /** It stops by itself when more devices than this fail to apply it: 5 percent of those that it has reached where left out. */
  limits: Type.Optional(
    closed({
      failedDevices: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
      failedPercent: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
    }),
  ),
  /** What a stop by itself does: `stop` leaves what devices have until somebody decides, `roll_back` takes it back. */
  onFailure: Type.Optional(Type.Union([Type.Literal('stop'), Type.Literal('roll_back')])),
});
export type RolloutBody = Static<typeof RolloutBody>;

/** Of a stage's devices that have it, before the next stage begins: some are switched off on any day. */
export const DEFAULT_ADVANCE_AT_PERCENT = 90;
/** Of the devices that have told: above it a rollout stops by itself. */
export const DEFAULT_FAILED_PERCENT = 5;

/** Devices that a rollout has reached, by what they told of it last; users on them count like devices once they have told. */
export const RolloutDevices = Type.Object({
  /** It is in effect. */
  applied: Type.Integer({ minimum: 0 }),
  /** They have it: it takes effect after a reboot or a logout. */
  pending: Type.Integer({ minimum: 0 }),
  /** A section that the rollout touches failed. */
  failed: Type.Integer({ minimum: 0 }),
  /** They have told nothing of it yet. */
  waiting: Type.Integer({ minimum: 0 }),
});
export type RolloutDevices = Static<typeof RolloutDevices>;

/** How far a rollout is; kept by servers. Without it: not begun. */
export const RolloutSystem = Type.Object({
  state: Type.Union([
    Type.Literal('running'),
    Type.Literal('paused'),
    Type.Literal('stopped'),
    Type.Literal('finished'),
    Type.Literal('rolled_back'),
  ]),
  /** Index of the last stage that has it. */
  stage: Type.Integer({ minimum: 0 }),
  /** Unix ms. */
  stageSince: Type.Integer({ minimum: 0 }),
  /** Of the commit that began it, in its epoch: what devices report of older bundles says nothing. */
  began: Type.Integer({ minimum: 0 }),
  /** Generation of the object when it began: one that was changed since is not written over. */
  base: Type.Integer({ minimum: 0 }),
  /** For people: why it stopped. */
  why: Type.Optional(Type.String()),
  /** As they stood when it took its last step by itself. */
  devices: Type.Optional(RolloutDevices),
});
export type RolloutSystem = Static<typeof RolloutSystem>;
