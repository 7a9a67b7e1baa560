import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DEFAULT_AGENT_TIMINGS, type DeviceBundle } from '@thinman/protocol';
import { type Applier, applyBundle } from './applier.ts';
import { devicePolicyFile } from './device-policy-file.ts';

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
  assert.deepEqual(await applyBundle(bundle, [applier]), { files: { outcome: 'applied' } });
  const file = join(dir, 'device-policy.json');
  assert.equal(statSync(file).mode & 0o777, 0o644);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
    device: 'tc-1',
    version: bundle.version,
    settings: bundle.settings,
    connections: [],
  });
  const before = statSync(file).ino;
  await applyBundle({ ...bundle, settings: {} }, [applier]);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).settings, {});
  assert.notEqual(statSync(file).ino, before);
  assert.deepEqual(readdirSync(dir), ['device-policy.json']);
});

test('a section that fails is reported, and the others are applied', async () => {
  const failing: Applier = {
    section: 'network',
    apply: async () => {
      throw new Error('no such interface');
    },
  };
  const later: Applier = { section: 'power', apply: async () => ({ outcome: 'pending', until: 'reboot' }) };
  assert.deepEqual(await applyBundle(bundle, [failing, devicePolicyFile(dir), later]), {
    network: { outcome: 'failed', why: 'no such interface' },
    files: { outcome: 'applied' },
    power: { outcome: 'pending', until: 'reboot' },
  });
  assert.deepEqual(
    await applyBundle(bundle, [devicePolicyFile(join(dir, 'missing'))]).then(r => r.files?.outcome),
    'failed',
  );
});
