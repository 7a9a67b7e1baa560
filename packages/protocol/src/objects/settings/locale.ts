import Type from 'typebox';
import { host } from './schemas.ts';
import type { Section } from './setting.ts';

const language = Type.String({ pattern: '^[a-z]{2,3}(-[A-Z]{2})?$', description: 'a language like it or it-IT' });

export const locale: Section = {
  name: 'locale',
  title: 'Language and time',
  settings: [
    {
      key: 'locale.language',
      scope: 'both',
      merge: 'replace',
      schema: language,
      default: 'en',
      title: 'Language',
      help: 'Language of the device, as a tag: "en", "it-IT".',
    },
    {
      key: 'locale.formats',
      scope: 'both',
      merge: 'replace',
      schema: language,
      default: 'en',
      title: 'Formats',
      help: 'Whose dates, numbers and paper sizes are used, as a tag; it may differ from the language.',
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
    {
      key: 'locale.timeServers',
      scope: 'device',
      merge: 'replace',
      schema: Type.Array(host, { maxItems: 8 }),
      default: [],
      title: 'Time servers',
      help: 'NTP servers in order of preference; none = those that the network names, by DHCP.',
    },
  ],
};
