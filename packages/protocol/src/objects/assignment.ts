import Type, { type Static } from 'typebox';
import { ObjectName } from '../names.ts';
import { ActivateAt } from './activation.ts';
import { closed, description } from './shape.ts';

/** To whom: several parts = all must hold (nurses *on* ward 3). */
export const AssignmentTarget = closed({
  site: Type.Optional(Type.Literal(true)),
  deviceGroup: Type.Optional(ObjectName),
  device: Type.Optional(ObjectName),
  userGroup: Type.Optional(ObjectName),
  user: Type.Optional(ObjectName),
});
export type AssignmentTarget = Static<typeof AssignmentTarget>;

/** Puts one policy or one profile on a target. Priority counts within a level; 0 where left out. */
export const AssignmentBody = closed({
  description,
  policy: Type.Optional(ObjectName),
  profile: Type.Optional(ObjectName),
  to: AssignmentTarget,
  priority: Type.Optional(Type.Integer({ minimum: -1_000_000, maximum: 1_000_000 })),
  /** It counts from then on. */
  activateAt: Type.Optional(ActivateAt),
});
export type AssignmentBody = Static<typeof AssignmentBody>;
