import Type from 'typebox';
import type { Section } from './setting.ts';

const layout = Type.String({
  pattern: '^[a-z]{2,8}(-[a-z0-9_]{1,16})?$',
  description: 'a keyboard layout like it or de-nodeadkeys',
});

export const keyboard: Section = {
  name: 'keyboard',
  title: 'Keyboard',
  settings: [
    {
      key: 'keyboard.layout',
      scope: 'both',
      merge: 'replace',
      schema: layout,
      default: 'us',
      title: 'Layout',
      help: 'XKB layout, with a variant behind a hyphen: "it", "de", "us-intl".',
    },
    {
      key: 'keyboard.moreLayouts',
      scope: 'both',
      merge: 'union',
      schema: Type.Array(layout, { maxItems: 3 }),
      default: [],
      title: 'More layouts',
      help: 'Layouts to change to with the keyboard, beside the first one. Lists of all policies are united; XKB knows four in all.',
    },
    {
      key: 'keyboard.numLock',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: true,
      title: 'Num Lock',
      help: 'Whether the number block writes digits after a start.',
    },
    {
      key: 'keyboard.repeatDelayMs',
      scope: 'both',
      merge: 'replace',
      schema: Type.Integer({ minimum: 100, maximum: 5_000 }),
      default: 500,
      unit: 'milliseconds',
      title: 'Repeat delay',
      help: 'How long a key is held until it repeats.',
    },
    {
      key: 'keyboard.repeatPerSecond',
      scope: 'both',
      merge: 'replace',
      schema: Type.Integer({ minimum: 0, maximum: 100 }),
      default: 25,
      title: 'Repeats a second',
      help: 'How often a held key repeats; 0 = never.',
    },
    {
      key: 'keyboard.onScreen',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: false,
      title: 'On-screen keyboard',
      help: 'Shows a keyboard on the screen where text is asked for: for kiosks and touch screens.',
    },
  ],
};
