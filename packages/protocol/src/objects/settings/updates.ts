import Type from 'typebox';
import { closed } from '../shape.ts';
import { oneOf, timeOfDay } from './schemas.ts';
import type { Section } from './setting.ts';

export const updates: Section = {
  name: 'updates',
  title: 'Software updates',
  settings: [
    {
      key: 'updates.channel',
      scope: 'device',
      merge: 'replace',
      schema: oneOf('stable', 'preview', 'none'),
      default: 'stable',
      title: 'Channel',
      help: 'Where new software of the device comes from; none = it stays as it is.',
    },
    {
      key: 'updates.window',
      scope: 'device',
      merge: 'replace',
      schema: Type.Union([Type.Null(), closed({ from: timeOfDay, to: timeOfDay })]),
      default: null,
      title: 'Window',
      help: "When updates may be installed, by the device's time zone; it may go over midnight. null = at any time without a user.",
    },
    {
      key: 'updates.reboot',
      scope: 'device',
      merge: 'replace',
      schema: oneOf('when-idle', 'ask', 'next-start'),
      default: 'when-idle',
      title: 'Restart',
      help: 'How an update that needs a restart gets one.',
    },
  ],
};
