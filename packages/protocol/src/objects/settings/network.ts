import Type from 'typebox';
import type { Section } from './setting.ts';

export const network: Section = {
  name: 'network',
  title: 'Network',
  settings: [
    {
      key: 'network.proxy.url',
      scope: 'device',
      merge: 'replace',
      schema: Type.String({
        pattern: '^(https?|socks5)://[^\\s]+$',
        maxLength: 2048,
        description: 'a URL like http://proxy.example.org:3128',
      }),
      default: '',
      title: 'Proxy',
      help: 'Proxy of the connections, as a URL; the agent itself never uses it to reach its servers.',
    },
  ],
};

export const usb: Section = {
  name: 'usb',
  title: 'USB redirection',
  settings: [
    {
      key: 'usb.allow',
      scope: 'both',
      merge: 'union',
      schema: Type.Array(
        Type.String({
          pattern: '^([0-9a-f]{4}:[0-9a-f]{4}|class:[0-9a-f]{2})$',
          description: 'VENDOR:PRODUCT like 046d:c31c, or a class like class:03',
        }),
        { maxItems: 256 },
      ),
      default: [],
      title: 'Allowed devices',
      help: 'USB devices that sessions may use: "vendor:product" or "class:08", hexadecimal. Lists of all policies are united.',
    },
  ],
};
