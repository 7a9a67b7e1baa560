import Type, { type Static } from 'typebox';
import { closed, description } from './shape.ts';

/** Settings to put on devices or users. Keys come from the catalogue (`settings/`). */
export const PolicyBody = closed({
  description,
  /** Which settings it may hold: those of devices, of users, or (left out) both. */
  scope: Type.Optional(Type.Union([Type.Literal('device'), Type.Literal('user')])),
  settings: Type.Record(Type.String(), Type.Unknown()),
  /** Keys that no stronger level may change. */
  enforced: Type.Optional(Type.Array(Type.String({ maxLength: 128 }), { maxItems: 500, uniqueItems: true })),
});
export type PolicyBody = Static<typeof PolicyBody>;
