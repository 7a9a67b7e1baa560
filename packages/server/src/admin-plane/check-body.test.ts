import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectKind } from '@thinman/protocol';
import { checkBody } from './check-body.ts';

/** Mistake by mistake: the body, the field that is named, and a word that must be in the message. */
const MISTAKES: readonly [what: string, kind: ObjectKind, body: unknown, field: string, word: RegExp][] = [
  ['an unknown field', 'User', { dispalyName: 'Carol' }, 'body.dispalyName', /not a known field/],
  ['a short password', 'User', { password: 'seven77' }, 'body.password', /8 characters/],
  ['a reference that is no name', 'User', { groups: ['two words'] }, 'body.groups.0', /name without spaces/],
  ['a day that does not exist', 'User', { expiresAt: '2027-02-31T25:00:00Z' }, 'body.expiresAt', /exists/],
  ['a moment without a zone', 'User', { expiresAt: '2027-01-31T12:00:00' }, 'body.expiresAt', /in UTC/],
  ['an unknown role', 'Administrator', { role: 'king' }, 'body.role', /"owner" or "viewer"/],
  ['a missing role', 'Administrator', {}, 'body.role', /is missing/],
  [
    'an unknown setting',
    'Policy',
    { settings: { power: { screenOfAfterMinutes: 1 } } },
    'body.settings.power.screenOfAfterMinutes',
    /did you mean "power.screenOffAfterMinutes"/,
  ],
  ['a section that is a value', 'Policy', { settings: { power: 5 } }, 'body.settings.power', /not a setting/],
  [
    'a value of the wrong type',
    'Policy',
    { settings: { power: { screenOffAfterMinutes: '10' } } },
    'body.settings.power.screenOffAfterMinutes',
    /whole number/,
  ],
  [
    'a value out of range',
    'Policy',
    { settings: { 'power.screenOffAfterMinutes': -1 } },
    'body.settings.power.screenOffAfterMinutes',
    /at least 0/,
  ],
  [
    'a wrong item of a list',
    'Policy',
    { settings: { usb: { allow: ['class:03', 'all'] } } },
    'body.settings.usb.allow.1',
    /VENDOR:PRODUCT/,
  ],
  [
    'a setting of devices in a policy of users',
    'Policy',
    { scope: 'user', settings: { locale: { timeZone: 'UTC' } } },
    'body.settings.locale.timeZone',
    /setting of devices.*scope: user/,
  ],
  [
    'an enforced key that is not set',
    'Policy',
    { settings: {}, enforced: ['display.scale'] },
    'body.enforced.0',
    /not set in this policy/,
  ],
  [
    'an enforced key that does not exist',
    'Policy',
    { settings: {}, enforced: ['display.scael'] },
    'body.enforced.0',
    /did you mean "display.scale"/,
  ],
  [
    'an unknown type of connection',
    'Profile',
    { connections: [{ name: 'a', type: 'citrx', host: 'h' }] },
    'body.connections.0.type',
    /did you mean "citrix"/,
  ],
  [
    'a time zone that there is not',
    'Policy',
    { settings: { locale: { timeZone: 'Europe/Atlantis' } } },
    'body.settings.locale.timeZone',
    /no time zone.*Europe\/Rome/,
  ],
  [
    'the name of a connection that turns the text around it',
    'Profile',
    { connections: [{ name: 'a\u202eb', type: 'web', url: 'https://a' }] },
    'body.connections.0.name',
    /a\\u202eb.*nobody sees/,
  ],
  [
    'the name of a connection that is no key of an object',
    'Profile',
    { connections: [{ name: '__proto__', type: 'web', url: 'https://a' }] },
    'body.connections.0.name',
    /choose another one/,
  ],
  [
    'a text of a connection that would begin a line of its own',
    'Profile',
    { connections: [{ name: 'a', type: 'rdp', host: 'h', title: 'x\r\nalternate shell:s:cmd' }] },
    'body.connections.0.title',
    /control character/,
  ],
  ['a connection that is none', 'Profile', { connections: [7] }, 'body.connections.0.type', /one of rdp/],
  [
    'a connection without its host',
    'Profile',
    { connections: [{ name: 'a', type: 'rdp' }] },
    'body.connections.0.host',
    /is missing/,
  ],
  [
    'a field of another type of connection',
    'Profile',
    { connections: [{ name: 'a', type: 'web', url: 'https://a', host: 'h' }] },
    'body.connections.0.host',
    /not a known field/,
  ],
  [
    'two connections of one name',
    'Profile',
    {
      connections: [
        { name: 'a', type: 'web', url: 'https://a' },
        { name: 'a', type: 'web', url: 'https://b' },
      ],
    },
    'body.connections.1.name',
    /connection 1 already/,
  ],
  ['no connections', 'Profile', {}, 'body.connections', /is missing/],
  [
    'a connection that falls back to itself',
    'Profile',
    { connections: [{ name: 'a', type: 'ssh', host: 'h', fallback: 'a' }] },
    'body.connections.0.fallback',
    /another one/,
  ],
  [
    'a Citrix connection with neither store nor file',
    'Profile',
    { connections: [{ name: 'a', type: 'citrix' }] },
    'body.connections.0.storeUrl',
    /one of the two/,
  ],
  [
    'a Citrix connection with both',
    'Profile',
    { connections: [{ name: 'a', type: 'citrix', storeUrl: 'https://s', icaUrl: 'https://s/a.ica' }] },
    'body.connections.0.storeUrl',
    /one of the two/,
  ],
  [
    'a desktop and an application in one',
    'Profile',
    { connections: [{ name: 'a', type: 'horizon', host: 'h', desktop: 'd', application: 'x' }] },
    'body.connections.0.application',
    /two connections/,
  ],
  [
    'arguments of no application',
    'Profile',
    { connections: [{ name: 'a', type: 'rdp', host: 'h', remoteAppArguments: '/x' }] },
    'body.connections.0.remoteAppArguments',
    /name it/,
  ],
  ['neither policy nor profile', 'Assignment', { to: { site: true } }, 'body', /neither/],
  ['policy and profile', 'Assignment', { policy: 'a', profile: 'b', to: { site: true } }, 'body', /two assignments/],
  ['an empty target', 'Assignment', { policy: 'a', to: {} }, 'body.to', /is empty/],
  [
    'a target that contradicts itself',
    'Assignment',
    { policy: 'a', to: { site: true, user: 'x' } },
    'body.to',
    /narrower/,
  ],
  [
    'parameters that thin clients refuse',
    'SiteSettings',
    { kdf: { algorithm: 'argon2id', memoryKib: 1024, passes: 1, lanes: 1 } },
    'body.kdf',
    /thin clients would refuse/,
  ],
  [
    'a first wait above the last one',
    'SiteSettings',
    { agent: { breakerFirstMs: 5_000, breakerMaxMs: 100 } },
    'body.agent.breakerFirstMs',
    /above/,
  ],
  [
    'an LDAP URL that is none',
    'Directory',
    { type: 'ldap', urls: ['https://dc'], baseDn: 'dc=lab' },
    'body.urls.0',
    /ldaps:/,
  ],
];

for (const [what, kind, body, field, word] of MISTAKES) {
  test(`names ${what} by its field`, () => {
    const problems = checkBody(kind, 'site', body as Record<string, unknown>);
    assert.deepEqual(
      problems.map(found => found.field),
      [field],
      JSON.stringify(problems),
    );
    assert.match(problems[0]?.message ?? '', word);
  });
}

test('tells all mistakes of a body at once', () => {
  const connections = [
    { name: 'a', type: 'rdp' },
    { name: 'a', type: 'ssh', host: 'h', port: 0 },
  ];
  const fields = checkBody('Profile', 'p', { connections, colour: 'red' }).map(({ field }) => field);
  assert.deepEqual(fields, [
    'body.colour',
    'body.connections.0.host',
    'body.connections.1.port',
    'body.connections.1.name',
  ]);
});

test('takes a connection of each type, with what people use of it', () => {
  const connections = [
    {
      name: 'ward',
      type: 'rdp',
      host: 'rds',
      gateway: 'gw',
      sso: true,
      monitors: 'all',
      audio: 'local',
      fallback: 'web',
    },
    { name: 'store', type: 'citrix', storeUrl: 'https://store.example.org', application: 'Charts', clipboard: false },
    { name: 'file', type: 'citrix', icaUrl: 'https://store.example.org/a.ica' },
    { name: 'pool', type: 'horizon', host: 'view', desktop: 'pool', protocol: 'blast', smartCards: true },
    { name: 'cloud', type: 'avd', workspaceUrl: 'https://rdweb.example.org', user: 'alice@example.org' },
    { name: 'web', type: 'web', url: 'https://wiki.example.org', kiosk: true, zoomPercent: 125 },
    { name: 'shell', type: 'ssh', host: 'h', user: 'alice', command: 'htop', reconnect: 'on-failure' },
    { name: 'wall', type: 'vnc', host: 'h', viewOnly: true },
  ];
  assert.deepEqual(checkBody('Profile', 'p', { connections }), []);
});

test('there is one SiteSettings object, and it has one name', () => {
  assert.deepEqual(checkBody('SiteSettings', 'site', {}), []);
  assert.equal(checkBody('SiteSettings', 'other', {})[0]?.field, 'name');
});

test('settings may be written nested or dotted', () => {
  for (const settings of [{ power: { screenOffAfterMinutes: 1 } }, { 'power.screenOffAfterMinutes': 1 }]) {
    assert.deepEqual(checkBody('Policy', 'p', { settings, enforced: ['power.screenOffAfterMinutes'] }), []);
  }
});

test('a list of connections that is far too long is one mistake', () => {
  const connections = Array.from({ length: 100_000 }, () => ({}));
  assert.equal(checkBody('Profile', 'p', { connections }).length, 1);
});
