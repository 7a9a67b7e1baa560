import Type from 'typebox';
import type { Section } from './setting.ts';

const minutes = Type.Integer({ minimum: 0, maximum: 1440 });

export const power: Section = {
  name: 'power',
  title: 'Power',
  settings: [
    {
      key: 'power.screenOffAfterMinutes',
      scope: 'device',
      merge: 'replace',
      schema: minutes,
      default: 15,
      unit: 'minutes',
      title: 'Screen off after',
      help: 'Idle time until the screen goes dark; 0 = never.',
    },
    {
      key: 'power.suspendAfterMinutes',
      scope: 'device',
      merge: 'replace',
      schema: minutes,
      default: 0,
      unit: 'minutes',
      title: 'Suspend after',
      help: 'Idle time until the device suspends; 0 = never.',
    },
  ],
};
