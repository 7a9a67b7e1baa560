import Type from 'typebox';
import { oneOf, percent } from './schemas.ts';
import type { Section } from './setting.ts';

export const audio: Section = {
  name: 'audio',
  title: 'Audio',
  settings: [
    {
      key: 'audio.output',
      scope: 'both',
      merge: 'replace',
      schema: oneOf('automatic', 'built-in', 'headset', 'display', 'none'),
      default: 'automatic',
      title: 'Output',
      help: 'Where sound comes out, if it is there.',
    },
    {
      key: 'audio.volume',
      scope: 'both',
      merge: 'replace',
      schema: percent,
      default: 70,
      unit: 'percent',
      title: 'Volume',
      help: 'At the beginning of a session.',
    },
    {
      key: 'audio.microphone',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: true,
      title: 'Microphone',
      help: 'Whether sessions may use it.',
    },
  ],
};
