import Type from 'typebox';
import type { Section } from './setting.ts';

export const display: Section = {
  name: 'display',
  title: 'Display',
  settings: [
    {
      key: 'display.scale',
      scope: 'both',
      merge: 'replace',
      schema: Type.Number({ minimum: 0.5, maximum: 4 }),
      default: 1,
      unit: 'factor',
      title: 'Scale',
      help: 'How much larger than its natural size everything is drawn: 1 = natural, 2 = double.',
    },
  ],
};

export const keyboard: Section = {
  name: 'keyboard',
  title: 'Keyboard',
  settings: [
    {
      key: 'keyboard.layout',
      scope: 'both',
      merge: 'replace',
      schema: Type.String({
        pattern: '^[a-z]{2,8}(-[a-z0-9_]{1,16})?$',
        description: 'a keyboard layout like it or de-nodeadkeys',
      }),
      default: 'us',
      title: 'Layout',
      help: 'XKB layout, with a variant behind a hyphen: "it", "de", "us-intl".',
    },
  ],
};

export const locale: Section = {
  name: 'locale',
  title: 'Language and time',
  settings: [
    {
      key: 'locale.language',
      scope: 'both',
      merge: 'replace',
      schema: Type.String({ pattern: '^[a-z]{2,3}(-[A-Z]{2})?$', description: 'a language like it or it-IT' }),
      default: 'en',
      title: 'Language',
      help: 'Language of the device, as a tag: "en", "it-IT".',
    },
    {
      key: 'locale.timeZone',
      scope: 'device',
      merge: 'replace',
      schema: Type.String({
        pattern: '^[A-Za-z_+\\-0-9]{1,32}(/[A-Za-z_+\\-0-9]{1,32}){0,2}$',
        description: 'a time zone like Europe/Rome',
      }),
      default: 'UTC',
      title: 'Time zone',
      help: 'A name of the IANA time zone database: "Europe/Rome".',
    },
  ],
};

export const browser: Section = {
  name: 'browser',
  title: 'Browser',
  settings: [
    {
      key: 'browser.homepage',
      scope: 'both',
      merge: 'replace',
      schema: Type.String({
        pattern: '^https?://[^\\s]+$',
        maxLength: 2048,
        description: 'a URL like https://www.example.org/',
      }),
      default: 'about:blank',
      title: 'Home page',
      help: 'The page that the browser opens first (http or https).',
    },
  ],
};
