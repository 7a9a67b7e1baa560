import Type from 'typebox';
import { closed } from '../shape.ts';
import { idleMinutes, oneOf, percent, timeOfDay, weekday } from './schemas.ts';
import type { Section } from './setting.ts';

const DAYS_OF_WEEK = 7;
const schedule = closed({
  at: timeOfDay,
  days: Type.Optional(Type.Array(weekday, { minItems: 1, maxItems: DAYS_OF_WEEK, uniqueItems: true })),
});

export const power: Section = {
  name: 'power',
  title: 'Power',
  settings: [
    {
      key: 'power.screenOffAfterMinutes',
      scope: 'device',
      merge: 'replace',
      schema: idleMinutes,
      default: 15,
      unit: 'minutes',
      title: 'Screen off after',
      help: 'Idle time until the screen goes dark; 0 = never.',
    },
    {
      key: 'power.suspendAfterMinutes',
      scope: 'device',
      merge: 'replace',
      schema: idleMinutes,
      default: 0,
      unit: 'minutes',
      title: 'Suspend after',
      help: 'Idle time until the device suspends; 0 = never.',
    },
    {
      key: 'power.shutdownAfterMinutes',
      scope: 'device',
      merge: 'replace',
      schema: idleMinutes,
      default: 0,
      unit: 'minutes',
      title: 'Shut down after',
      help: 'Idle time without a user until the device shuts down; 0 = never.',
    },
    {
      key: 'power.shutdownAt',
      scope: 'device',
      merge: 'replace',
      schema: Type.Array(schedule, { maxItems: 16 }),
      default: [],
      title: 'Scheduled shutdown',
      help: "Times of day by the device's time zone, each with its days (none named = every day). A user is warned before.",
    },
    {
      key: 'power.shutdownWarningMinutes',
      scope: 'device',
      merge: 'replace',
      schema: idleMinutes,
      default: 5,
      unit: 'minutes',
      title: 'Warning before a shutdown',
      help: 'How long before a scheduled shutdown its user is told, and may put it off; 0 = not at all.',
    },
    {
      key: 'power.wakeAt',
      scope: 'device',
      merge: 'replace',
      schema: Type.Array(schedule, { maxItems: 16 }),
      default: [],
      title: 'Scheduled wake-up',
      help: "Times of day at which the device starts by its own clock, where its hardware can; by the device's time zone.",
    },
    {
      key: 'power.wakeOnLan',
      scope: 'device',
      merge: 'replace',
      schema: Type.Boolean(),
      default: true,
      title: 'Wake on LAN',
      help: 'Whether a magic packet starts the device.',
    },
    {
      key: 'power.button',
      scope: 'device',
      merge: 'replace',
      schema: oneOf('shutdown', 'suspend', 'ask', 'nothing'),
      default: 'shutdown',
      title: 'Power button',
      help: 'What the button does.',
    },
    {
      key: 'power.brightness',
      scope: 'both',
      merge: 'replace',
      schema: percent,
      default: 100,
      unit: 'percent',
      title: 'Brightness',
      help: 'Of built-in screens.',
    },
  ],
};
