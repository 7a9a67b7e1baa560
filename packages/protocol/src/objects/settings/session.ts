import Type from 'typebox';
import type { Section } from './setting.ts';

const minutes = Type.Integer({ minimum: 0, maximum: 1440 });

export const session: Section = {
  name: 'session',
  title: 'Session and screen lock',
  settings: [
    {
      key: 'session.lockAfterMinutes',
      scope: 'both',
      merge: 'replace',
      schema: minutes,
      default: 10,
      unit: 'minutes',
      title: 'Lock after',
      help: 'Idle time until the screen locks; 0 = never.',
    },
    {
      key: 'session.logoutAfterMinutes',
      scope: 'both',
      merge: 'replace',
      schema: minutes,
      default: 0,
      unit: 'minutes',
      title: 'Log out after',
      help: 'Idle time until the user is logged out; 0 = never.',
    },
  ],
};
