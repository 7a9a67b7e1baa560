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

const patterns = Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { minItems: 1, maxItems: 64 });

/** Which of the target's devices: all parts must hold, and of each part one entry. `*` in a pattern is any text; case does not count. */
export const AssignmentFilter = closed({
  model: Type.Optional(patterns),
  os: Type.Optional(patterns),
  subnet: Type.Optional(
    Type.Array(
      Type.String({
        pattern: '^[0-9a-fA-F:.]{2,45}/[0-9]{1,3}$',
        description: 'a network like 10.3.0.0/16 or 2001:db8::/32',
      }),
      { minItems: 1, maxItems: 64 },
    ),
  ),
  /** Of the Device object: name of the attribute → patterns. */
  attribute: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,63}$' }), patterns)),
});
export type AssignmentFilter = Static<typeof AssignmentFilter>;

/** Puts one policy or one profile on a target. Priority counts within a level; 0 where left out. */
export const AssignmentBody = closed({
  description,
  policy: Type.Optional(ObjectName),
  profile: Type.Optional(ObjectName),
  to: AssignmentTarget,
  where: Type.Optional(AssignmentFilter),
  priority: Type.Optional(Type.Integer({ minimum: -1_000_000, maximum: 1_000_000 })),
  /** It counts from then on. */
  activateAt: Type.Optional(ActivateAt),
});
export type AssignmentBody = Static<typeof AssignmentBody>;
