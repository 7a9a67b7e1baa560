import Type from 'typebox';
import type { Section } from './setting.ts';

export const pointer: Section = {
  name: 'pointer',
  title: 'Mouse and touchpad',
  settings: [
    {
      key: 'pointer.speed',
      scope: 'both',
      merge: 'replace',
      schema: Type.Number({ minimum: -1, maximum: 1 }),
      default: 0,
      title: 'Speed',
      help: 'From -1 (slow) to 1 (fast), as libinput has it; 0 = as the hardware is made.',
    },
    {
      key: 'pointer.leftHanded',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: false,
      title: 'Left-handed',
      help: 'Swaps the left and the right button.',
    },
    {
      key: 'pointer.naturalScrolling',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: false,
      title: 'Natural scrolling',
      help: 'The content follows the fingers.',
    },
    {
      key: 'pointer.tapToClick',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: true,
      title: 'Tap to click',
      help: 'A tap on a touchpad is a click.',
    },
    {
      key: 'pointer.doubleClickMs',
      scope: 'both',
      merge: 'replace',
      schema: Type.Integer({ minimum: 100, maximum: 5_000 }),
      default: 400,
      unit: 'milliseconds',
      title: 'Double click',
      help: 'The longest time between the two clicks of a double click.',
    },
  ],
};
