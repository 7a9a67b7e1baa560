import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseValue } from '../../codec.ts';
import { flattenSettings, SETTING_SECTIONS, SETTINGS, type Setting } from './index.ts';

/** Keys that other people's files rely on. */
const CONTRACT = [
  'power.screenOffAfterMinutes',
  'power.suspendAfterMinutes',
  'session.lockAfterMinutes',
  'display.scale',
  'keyboard.layout',
  'locale.timeZone',
  'network.proxy.url',
  'usb.allow',
  'browser.homepage',
];

/** Values that people write, and values that must be refused. */
const VALUES: readonly [key: string, good: readonly unknown[], bad: readonly unknown[]][] = [
  [
    'display.monitors',
    [[], [{ output: 'HDMI-1', mode: '2560x1440@59.95', rotation: 'left', position: { x: 0, y: 0 }, primary: true }]],
    [
      [{}],
      [{ output: 'HDMI-1', mode: '1920*1080' }],
      [{ output: 'a b' }],
      [{ output: 'DP-1', position: { x: -1, y: 0 } }],
    ],
  ],
  ['keyboard.layout', ['it', 'de-nodeadkeys'], ['Italian', '', 'it;reboot']],
  [
    'locale.timeZone',
    ['UTC', 'Europe/Rome', 'America/Argentina/Ushuaia'],
    ['', 'Europe/Rome/../../etc', '/etc/passwd'],
  ],
  ['network.proxy.url', ['', 'http://proxy.example.org:3128'], ['proxy:3128', 'http://me:secret@proxy.example.org']],
  ['network.proxy.exceptions', [['*.example.org', '10.0.0.0/8', 'localhost']], [['a b'], ['http://x']]],
  [
    'network.wired.authentication',
    [null, { method: 'eap-tls', serverNames: ['radius.example.org'] }],
    [
      { method: 'eap-tls', serverNames: [] },
      { method: 'md5', serverNames: ['radius.example.org'] },
    ],
  ],
  [
    'network.wifi.networks',
    [
      [{ ssid: 'Ward 3' }],
      [{ ssid: 'Ward 3', passphrase: 'correct horse' }],
      [{ ssid: 'Ward 3', passphrase: { secret: 'set' } }],
    ],
    [[{ ssid: '' }], [{ ssid: 'x', passphrase: 'short' }], [{ ssid: 'x', passphrase: { secret: 'no' } }]],
  ],
  [
    'power.shutdownAt',
    [[{ at: '19:30', days: ['monday'] }]],
    [[{ at: '24:00' }], [{ at: '7:30' }], [{ at: '19:30', days: [] }]],
  ],
  ['usb.allow', [['046d:c31c', '046d:*', 'class:08']], [['046D:C31C'], ['*:*'], ['class:8']]],
  [
    'printers.list',
    [[{ name: 'ward-3', uri: 'ipp://printer.example.org/ipp/print' }]],
    [[{ name: 'a b', uri: 'x' }], [{ name: 'x', uri: 'file:///etc' }]],
  ],
  ['browser.block', [['*', '*.example.org/path']], [['http://x y']]],
  ['certificates.trust', [['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']], [['AAAA']]],
  ['updates.window', [null, { from: '22:00', to: '05:00' }], [{ from: '22:00' }, 'night']],
  ['appearance.wallpaperColor', ['#1e3a5f'], ['blue', '#FFF']],
];

const settingOf = (key: string): Setting => {
  const setting = SETTINGS.get(key);
  assert.ok(setting !== undefined, key);
  return setting;
};

describe('the catalogue of settings', () => {
  test('has the keys that other people rely on', () => {
    assert.deepEqual(
      CONTRACT.filter(key => !SETTINGS.has(key)),
      [],
    );
    assert.equal(settingOf('usb.allow').merge, 'union');
  });

  test('names each setting by its section, once, and none is a part of another', () => {
    const keys = SETTING_SECTIONS.flatMap(({ name, settings }) => {
      for (const { key } of settings) assert.ok(key.startsWith(`${name}.`), key);
      return settings.map(({ key }) => key);
    });
    assert.equal(new Set(keys).size, keys.length);
    for (const key of keys) assert.ok(!keys.some(other => other.startsWith(`${key}.`)), key);
  });

  for (const [key, setting] of SETTINGS) {
    test(`${key}: its default is one of its values, and it has words for people`, () => {
      assert.ok(parseValue(setting.schema, setting.default).ok, JSON.stringify(setting.default));
      assert.ok(setting.title.length > 2 && setting.help.endsWith('.'), setting.help);
      assert.ok(!setting.title.endsWith('.'), setting.title);
      // A list that is united has something to unite.
      assert.ok(setting.merge === 'replace' || Array.isArray(setting.default));
    });
  }

  for (const [key, good, bad] of VALUES) {
    test(`${key}: takes what people write, and refuses what no device can do`, () => {
      const { schema } = settingOf(key);
      for (const value of good) assert.ok(parseValue(schema, value).ok, JSON.stringify(value));
      for (const value of bad) assert.ok(!parseValue(schema, value).ok, JSON.stringify(value));
    });
  }

  test('a setting whose value is an object is taken whole', () => {
    const value = { from: '22:00', to: '05:00' };
    const { known, unknown } = flattenSettings({ updates: { window: value, chanel: 'stable' } });
    assert.deepEqual([...known], [['updates.window', value]]);
    assert.deepEqual(unknown, ['updates.chanel']);
  });

  test('has a file of its own for each section', () => {
    for (const { name } of SETTING_SECTIONS) assert.ok(existsSync(`${import.meta.dirname}/${name}.ts`), name);
  });
});
