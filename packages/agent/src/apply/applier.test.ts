import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DEFAULT_AGENT_TIMINGS, DEFAULT_OFFLINE_RULES, type DeviceBundle, type UserBundle } from '@thinman/protocol';
import { type Applier, applyAll } from './applier.ts';
import { devicePolicyFile } from './device-policy-file.ts';
import { usableConnections } from './sections.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thinman-apply-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const bundle: DeviceBundle = {
  version: { epoch: 1, generation: 4 },
  etag: 'e',
  device: { id: '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11', name: 'tc-1', group: 'ward-3' },
  settings: { 'power.screenOffAfterMinutes': 10 },
  profile: { connections: [] },
  timings: DEFAULT_AGENT_TIMINGS,
};

test('the device policy lies in a file that other programs may read, replaced as a whole', async () => {
  const applier = devicePolicyFile(dir);
  assert.deepEqual(await applyAll({ device: bundle, user: null }, [applier]), { files: { result: 'applied' } });
  const file = join(dir, 'device-policy.json');
  assert.equal(statSync(file).mode & 0o777, 0o644);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
    device: 'tc-1',
    version: bundle.version,
    settings: bundle.settings,
    connections: [],
  });
  const before = statSync(file).ino;
  await applyAll({ device: { ...bundle, settings: {} }, user: null }, [applier]);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).settings, {});
  assert.notEqual(statSync(file).ino, before);
  assert.deepEqual(readdirSync(dir), ['device-policy.json']);
});

test('a secret among the settings is for hooks, and not in that file', async () => {
  const wifi = [{ ssid: 'Ward 3', passphrase: 'canary-passphrase' }];
  const settings = { 'network.wifi.networks': wifi, 'power.screenOffAfterMinutes': 10 };
  await applyAll({ device: { ...bundle, settings }, user: null }, [devicePolicyFile(dir)]);
  const text = readFileSync(join(dir, 'device-policy.json'), 'utf8');
  assert.ok(!text.includes('canary'));
  assert.deepEqual(JSON.parse(text).settings, {
    'network.wifi.networks': [{ ssid: 'Ward 3', passphrase: { secret: 'set' } }],
    'power.screenOffAfterMinutes': 10,
  });
});

test("the password of a kiosk is the agent's own: it is in no file, and no hook is given it", async () => {
  const settings = {
    'session.autologin': { user: 'lobby', password: 'canary-password' },
    'session.lockOnSuspend': true,
  };
  const given: unknown[] = [];
  const hook: Applier = {
    section: 'session',
    async apply(_holding, values) {
      given.push(values);
      return { result: 'applied' };
    },
  };
  await applyAll({ device: { ...bundle, settings }, user: null }, [devicePolicyFile(dir), hook]);
  assert.deepEqual(given, [{ 'session.lockOnSuspend': true }]);
  assert.deepEqual(JSON.parse(readFileSync(join(dir, 'device-policy.json'), 'utf8')).settings, {
    ...settings,
    'session.autologin': { user: 'lobby', password: { secret: 'set' } },
  });
});

test('a section that fails is reported, and the others are applied; of two for a section the worse counts', async () => {
  const failing: Applier = {
    section: 'network',
    apply: async () => {
      throw new Error('no such\ninterface');
    },
  };
  const fine: Applier = { section: 'network', apply: async () => ({ result: 'applied' }) };
  const later: Applier = { section: 'power', apply: async () => ({ result: 'pending', until: 'reboot' }) };
  const holding = { device: bundle, user: null };
  assert.deepEqual(await applyAll(holding, [failing, devicePolicyFile(dir), later, fine]), {
    network: { result: 'failed', why: 'no such interface' },
    files: { result: 'applied' },
    power: { result: 'pending', until: 'reboot' },
  });
  const missing = devicePolicyFile(join(dir, 'missing'));
  assert.equal((await applyAll(holding, [missing])).files?.result, 'failed');
});

test('an applier gets the values of its section, those of the user before those of the device', async () => {
  const seen: unknown[] = [];
  const power: Applier = {
    section: 'power',
    apply: async (_, values) => {
      seen.push(values);
      return { result: 'applied' };
    },
  };
  const user: UserBundle = {
    ...{ version: bundle.version, etag: 'u', offline: DEFAULT_OFFLINE_RULES },
    user: { id: bundle.device.id, name: 'alice', displayName: null, groups: [] },
    settings: { 'power.screenOffAfterMinutes': 3, 'locale.language': 'it' },
    profile: { connections: [] },
  };
  await applyAll({ device: bundle, user }, [power]);
  await applyAll({ device: bundle, user: null }, [power]);
  assert.deepEqual(seen, [{ 'power.screenOffAfterMinutes': 3 }, { 'power.screenOffAfterMinutes': 10 }]);
});

test('connections of the device can be used with nobody signed in where its policy says so, and only there', () => {
  const connections = [{ name: 'info', type: 'web', url: 'https://info.example.org' }] as const;
  const device = { ...bundle, profile: { connections: [...connections] } };
  assert.deepEqual(usableConnections({ device, user: null }), []);
  const open = { ...device, settings: { 'session.connectionsWithoutLogin': true } };
  assert.deepEqual(usableConnections({ device: open, user: null }), connections);
});

test('a section is told as soon as the last of its appliers is through, whoever comes behind', async () => {
  const told: string[] = [];
  const applier = (section: string, result: 'applied' | 'failed'): Applier => ({
    section,
    async apply() {
      told.push(`apply ${section}`);
      return result === 'failed' ? { result, why: 'x' } : { result };
    },
  });
  const appliers = [applier('network', 'failed'), applier('display', 'applied'), applier('network', 'applied')];
  await applyAll({ device: bundle, user: null }, [...appliers, applier('power', 'applied')], (section, { result }) =>
    told.push(`${section} ${result}`),
  );
  assert.deepEqual(told, [
    ...['apply network', 'apply display', 'display applied', 'apply network', 'network failed'],
    ...['apply power', 'power applied'],
  ]);
});
