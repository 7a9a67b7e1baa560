import Type from 'typebox';
import { secret } from '../secret.ts';
import { closed } from '../shape.ts';
import { domain, host, oneOf, text } from './schemas.ts';
import type { Section } from './setting.ts';

const MAX_SERVERS = 8;
const MAX_EXCEPTIONS = 100;

/** Names of the authentication server's certificate, one of which must fit. */
const serverNames = Type.Array(domain, { minItems: 1, maxItems: MAX_SERVERS });

/** With a certificate that lies on the device. */
const certificateLogin = closed({
  method: oneOf('eap-tls'),
  identity: Type.Optional(text(256)),
  serverNames,
});

/** With a name and a password, inside TLS. */
const passwordLogin = closed({
  method: oneOf('eap-peap', 'eap-ttls'),
  identity: Type.String({ minLength: 1, maxLength: 256 }),
  password: secret({ minLength: 1, maxLength: 256 }),
  serverNames,
});
const login = Type.Union([certificateLogin, passwordLogin]);

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
      schema: Type.Union([Type.Null(), certificateLogin, passwordLogin]),
      default: null,
      title: 'Wired 802.1X',
      help: 'How the device proves itself to the switch: by a certificate that lies on it (eap-tls), or by a password (eap-peap, eap-ttls), which is kept sealed; null = not at all.',
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
          /** WPA-Personal. */
          passphrase: Type.Optional(secret({ minLength: 8, maxLength: 63 })),
          /** WPA-Enterprise. */
          authentication: Type.Optional(login),
        }),
        { maxItems: 32 },
      ),
      default: [],
      title: 'Wi-Fi networks',
      help: 'Networks that the device joins: open ones, by passphrase (WPA-Personal), or by certificate or password (WPA-Enterprise). Passphrases and passwords are kept sealed. Lists of all policies are united.',
    },
  ],
};
