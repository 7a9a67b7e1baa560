import Type from 'typebox';
import { oneOf } from './schemas.ts';
import type { Section } from './setting.ts';

export const privileges: Section = {
  name: 'privileges',
  title: 'What users may do on the device',
  settings: [
    {
      key: 'privileges.shutdown',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: true,
      title: 'Shut down and restart',
      help: 'Whether whoever sits there may.',
    },
    {
      key: 'privileges.displaySettings',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: true,
      title: 'Change the display',
      help: 'Resolution and arrangement, until logout.',
    },
    {
      key: 'privileges.networkSettings',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: false,
      title: 'Change the network',
      help: 'Join a Wi-Fi, set an address: for people who travel.',
    },
    {
      key: 'privileges.terminal',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: false,
      title: 'Terminal',
      help: 'A command line on the device itself.',
    },
    {
      key: 'privileges.removableMedia',
      scope: 'both',
      merge: 'replace',
      schema: oneOf('none', 'read', 'write'),
      default: 'none',
      title: 'Removable media',
      help: 'What users may do with USB sticks and disks on the device itself.',
    },
  ],
};
