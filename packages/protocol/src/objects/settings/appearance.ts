import Type from 'typebox';
import { fileName } from '../file.ts';
import { oneOf, text } from './schemas.ts';
import type { Section } from './setting.ts';

export const appearance: Section = {
  name: 'appearance',
  title: 'Wallpaper and branding',
  settings: [
    {
      key: 'appearance.wallpaperColor',
      scope: 'both',
      merge: 'replace',
      schema: Type.String({ pattern: '^#[0-9a-f]{6}$', description: 'a colour like #1e3a5f' }),
      default: '#1e3a5f',
      title: 'Background colour',
      help: 'Of the desktop and of the login screen: "#rrggbb".',
    },
    {
      key: 'appearance.wallpaper',
      scope: 'both',
      merge: 'replace',
      schema: fileName,
      default: '',
      title: 'Picture',
      help: 'The File that is the wallpaper; without one the background has its colour.',
    },
    {
      key: 'appearance.logo',
      scope: 'device',
      merge: 'replace',
      schema: fileName,
      default: '',
      title: 'Logo',
      help: 'The File that is shown on the login screen.',
    },
    {
      key: 'appearance.wallpaperFit',
      scope: 'both',
      merge: 'replace',
      schema: oneOf('fill', 'fit', 'center', 'tile'),
      default: 'fill',
      title: 'Wallpaper',
      help: 'How a picture that has another size than the screen is laid on it.',
    },
    {
      key: 'appearance.organisation',
      scope: 'device',
      merge: 'replace',
      schema: text(128),
      default: '',
      title: 'Organisation',
      help: 'Shown on the login screen.',
    },
    {
      key: 'appearance.helpdesk',
      scope: 'device',
      merge: 'replace',
      schema: text(256),
      default: '',
      title: 'Helpdesk',
      help: 'Whom to call, in words; shown on the login screen and wherever something fails.',
    },
    {
      key: 'appearance.theme',
      scope: 'both',
      merge: 'replace',
      schema: oneOf('light', 'dark', 'high-contrast'),
      default: 'light',
      title: 'Theme',
      help: 'Colours of what the device itself shows.',
    },
  ],
};
