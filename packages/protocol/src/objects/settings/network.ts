import Type from 'typebox';
import { closed } from '../shape.ts';
import { domain, host, oneOf, text } from './schemas.ts';
import type { Section } from './setting.ts';

const MAX_SERVERS = 8;
const MAX_EXCEPTIONS = 100;

/** By certificate alone: a password would be readable on every device that has the policy. */
const certificateLogin = closed({
  method: oneOf('eap-tls'),
  identity: Type.Optional(text(256)),
  /** Names of the authentication server's certificate, one of which must fit. */
  serverNames: Type.Array(domain, { minItems: 1, maxItems: MAX_SERVERS }),
});

export const network: Section = {
  name: 'network',
  title: 'Network',
  settings: [
    {
      key: 'network.proxy.url',
      scope: 'device',
      merge: 'replace',
      schema: Type.String({
        pattern: '^((https?|socks5)://[^\\s@]+)?$',
        maxLength: 2048,
        description: 'a URL like http://proxy.example.org:3128, without a password',
      }),
      default: '',
      title: 'Proxy',
      help: 'Proxy of the connections, as a URL; empty = none. The agent itself never uses it to reach its servers.',
    },
    {
      key: 'network.proxy.exceptions',
      scope: 'device',
      merge: 'union',
      schema: Type.Array(
        Type.String({
          pattern: '^(\\*\\.|\\.)?[A-Za-z0-9._:\\[\\]-]{1,253}(/[0-9]{1,3})?$',
          description: 'a host, *.example.org, or a network like 10.0.0.0/8',
        }),
        { maxItems: MAX_EXCEPTIONS },
      ),
      default: [],
      title: 'No proxy for',
      help: 'Hosts and networks that are reached directly. Lists of all policies are united.',
    },
    {
      key: 'network.dns.servers',
      scope: 'device',
      merge: 'replace',
      schema: Type.Array(host, { maxItems: MAX_SERVERS }),
      default: [],
      title: 'DNS servers',
      help: 'In order of preference; none = those of DHCP.',
    },
    {
      key: 'network.dns.searchDomains',
      scope: 'device',
      merge: 'replace',
      schema: Type.Array(domain, { maxItems: MAX_SERVERS }),
      default: [],
      title: 'Search domains',
      help: 'Appended to short names, in this order; none = those of DHCP.',
    },
    {
      key: 'network.wired.authentication',
      scope: 'device',
      merge: 'replace',
      schema: Type.Union([Type.Null(), certificateLogin]),
      default: null,
      title: 'Wired 802.1X',
      help: 'How the device proves itself to the switch, with a certificate that lies on it; null = not at all.',
    },
    {
      key: 'network.wifi.enabled',
      scope: 'device',
      merge: 'replace',
      schema: Type.Boolean(),
      default: true,
      title: 'Wi-Fi',
      help: 'Whether the radio is on.',
    },
    {
      key: 'network.wifi.networks',
      scope: 'device',
      merge: 'union',
      schema: Type.Array(
        closed({
          ssid: Type.String({ minLength: 1, maxLength: 32 }),
          hidden: Type.Optional(Type.Boolean()),
          authentication: Type.Optional(certificateLogin),
        }),
        { maxItems: 32 },
      ),
      default: [],
      title: 'Wi-Fi networks',
      help: 'Networks that the device joins: open ones, or by certificate (WPA-Enterprise). Lists of all policies are united.',
    },
  ],
};
