import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RdpConnection } from '@thinman/protocol';
import fc from 'fast-check';
import { brokenField, type ConnectionOf } from './launch.ts';
import { planOf } from './plan.ts';
import { rdpSettings, readRdp, writeRdp } from './rdp-file.ts';

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const text = (maxLength: number) => fc.string({ minLength: 1, maxLength, unit: 'grapheme' });
const flag = optional(fc.boolean());

/** Every field that the schema has, in any combination. */
const connections: fc.Arbitrary<ConnectionOf<'rdp'>> = fc
  .record({
    name: text(20),
    type: fc.constant('rdp' as const),
    host: fc.stringMatching(/^[A-Za-z0-9._:[\]-]{1,40}$/),
    title: optional(text(40)),
    port: optional(fc.integer({ min: 1, max: 65_535 })),
    user: optional(fc.stringMatching(/^[A-Za-z0-9._@$\\-]{1,30}$/)),
    domain: optional(text(30)),
    remoteApp: optional(text(30)),
    remoteAppArguments: optional(text(60)),
    gateway: optional(fc.stringMatching(/^[A-Za-z0-9._-]{1,40}$/)),
    loadBalanceInfo: optional(text(30)),
    security: optional(fc.constantFrom('nla' as const, 'tls' as const)),
    certificate: optional(fc.constantFrom('trusted' as const, 'first-use' as const)),
    colorDepth: optional(fc.constantFrom(16 as const, 24 as const, 32 as const)),
    dynamicResolution: flag,
    fullscreen: flag,
    monitors: optional(fc.constantFrom('primary' as const, 'all' as const)),
    clipboard: flag,
    drives: flag,
    printers: flag,
    smartCards: flag,
    usb: flag,
    microphone: flag,
    camera: flag,
    audio: optional(fc.constantFrom('local' as const, 'remote' as const, 'off' as const)),
    reconnect: optional(fc.constantFrom('never' as const, 'on-failure' as const, 'always' as const)),
    sso: flag,
    autostart: flag,
    order: optional(fc.nat(100)),
    fallback: optional(text(20)),
  })
  .map(fields => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)))
  .map(fields => fields as ConnectionOf<'rdp'>);

/** Says nothing about the other side: who opens it, and when. */
const OF_THE_DEVICE = [
  'name',
  'type',
  'title',
  'sso',
  'autostart',
  'order',
  'fallback',
  'reconnect',
  'security',
  'certificate',
];

test('every setting of a .rdp file is there when it is read back', () => {
  fc.assert(
    fc.property(connections, fc.option(text(20), { nil: undefined }), (connection, user) => {
      fc.pre(brokenField(connection) === undefined && !/\p{Cc}/u.test(user ?? ''));
      const settings = rdpSettings(connection, user);
      assert.deepEqual(readRdp(writeRdp(settings)), settings);
    }),
  );
});

test('a line separator of Unicode is a character like others', () => {
  const settings = [{ name: 'domain', type: 's', value: 'LAB\u2028ward\u2029' }] as const;
  assert.deepEqual(readRdp(writeRdp(settings)), settings);
});

test('no field of a connection is lost on the way into the file', () => {
  const full: ConnectionOf<'rdp'> = {
    name: 'ward',
    type: 'rdp',
    host: 'rds.example.org',
    port: 3390,
    domain: 'LAB',
    remoteApp: 'notes',
    user: 'x',
    remoteAppArguments: '/quiet',
    gateway: 'gate.example.org',
    loadBalanceInfo: 'tsv://VMResource.1.farm',
    security: 'tls',
    certificate: 'first-use',
    colorDepth: 24,
    dynamicResolution: true,
    fullscreen: true,
    monitors: 'all',
    clipboard: false,
    drives: true,
    printers: true,
    smartCards: true,
    usb: true,
    microphone: true,
    camera: true,
    audio: 'remote',
    title: 'Ward',
    sso: true,
    autostart: true,
    order: 1,
    fallback: 'other',
    reconnect: 'always',
  };
  assert.deepEqual(
    Object.keys(RdpConnection.properties).filter(field => !Object.hasOwn(full, field)),
    [],
    'the test knows every field of the schema',
  );
  for (const field of Object.keys(full).filter(
    name => !OF_THE_DEVICE.includes(name) && name !== 'user' && name !== 'host',
  )) {
    const { [field as 'port']: _, ...without } = full;
    assert.notDeepEqual(rdpSettings(full, 'x'), rdpSettings(without, 'x'), `${field} changes nothing`);
  }
});

test('a value that would begin a setting of its own is refused by name', () => {
  const connection: ConnectionOf<'rdp'> = {
    name: 'a',
    type: 'rdp',
    host: 'h',
    remoteApp: 'notes',
    remoteAppArguments: 'x\r\nalternate shell:s:cmd.exe',
  };
  assert.deepEqual(planOf(connection, { user: null, canSignOn: false }), {
    kind: 'unfit',
    why: 'remoteAppArguments holds a control character: take it out',
  });
  const signedIn = { user: 'LAB\\alice\r\nalternate shell:s:cmd.exe', canSignOn: true };
  assert.deepEqual(planOf({ name: 'a', type: 'rdp', host: 'h', sso: true }, signedIn), {
    kind: 'unfit',
    why: 'the name of who is signed in holds a control character',
  });
});
