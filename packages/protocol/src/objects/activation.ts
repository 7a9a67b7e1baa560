import Type, { type Static } from 'typebox';
import { closed } from './shape.ts';

/**
 * A moment as people plan it: the time on the wall in a time zone, so that 06:00 stays 06:00 whatever summer time does. The
 * Primary carries it out with a commit (ADR 0048).
 */
export const ActivateAt = closed({
  at: Type.String({
    pattern: '^\\d{4}-\\d{2}-\\d{2}T([01]\\d|2[0-3]):[0-5]\\d$',
    description: 'a local time like 2026-12-01T06:00',
  }),
  timeZone: Type.String({
    pattern: '^[A-Za-z0-9_+/-]{1,64}$',
    description: 'a time zone like Europe/Rome',
  }),
});
export type ActivateAt = Static<typeof ActivateAt>;
