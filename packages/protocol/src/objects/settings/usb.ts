import Type from 'typebox';
import { oneOf } from './schemas.ts';
import type { Section } from './setting.ts';

const MAX_RULES = 256;

const rules = Type.Array(
  Type.String({
    pattern: '^([0-9a-f]{4}:([0-9a-f]{4}|\\*)|class:[0-9a-f]{2})$',
    description: 'VENDOR:PRODUCT like 046d:c31c or 046d:*, or a class like class:03',
  }),
  { maxItems: MAX_RULES },
);

export const usb: Section = {
  name: 'usb',
  title: 'USB redirection',
  settings: [
    {
      key: 'usb.allow',
      scope: 'both',
      merge: 'union',
      schema: rules,
      default: [],
      title: 'Allowed devices',
      help: 'USB devices that sessions may use: "vendor:product", "vendor:*" or "class:08", hexadecimal. Lists of all policies are united.',
    },
    {
      key: 'usb.deny',
      scope: 'both',
      merge: 'union',
      schema: rules,
      default: [],
      title: 'Refused devices',
      help: 'USB devices that no session gets, whatever else allows them. Lists of all policies are united.',
    },
    {
      key: 'usb.others',
      scope: 'both',
      merge: 'replace',
      schema: oneOf('allow', 'deny'),
      default: 'deny',
      title: 'All other devices',
      help: 'What holds for devices that no rule names.',
    },
  ],
};
