import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEFAULT_AGENT_TIMINGS, type DeviceBundle } from '@thinman/protocol';
import { devicePolicyFile } from './device-policy-file.ts';

test('an agent that is started again writes no policy that lies there already, and mends one that was changed or lost', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'device-policy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'device-policy.json');
  const device: DeviceBundle = {
    version: { epoch: 1, generation: 1 },
    etag: 'etag',
    device: { id: '00000000-0000-4000-8000-000000000001', name: 'tc-1', group: null },
    settings: { 'power.screenOffAfterMinutes': 10 },
    profile: { connections: [] },
    timings: DEFAULT_AGENT_TIMINGS,
  };
  const started = () => devicePolicyFile(folder).apply({ device, user: null }, {});
  await started();
  const written = readFileSync(file, 'utf8');
  // What is written anew takes the place of the old file: it is another one.
  const { ino } = statSync(file);
  await started();
  assert.equal(statSync(file).ino, ino);
  for (const damage of [() => writeFileSync(file, '{}'), () => rmSync(file)]) {
    damage();
    await started();
    assert.equal(readFileSync(file, 'utf8'), written);
  }
});
