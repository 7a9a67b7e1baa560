import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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
  const elsewhere = () => {
    renameSync(file, join(folder, 'elsewhere'));
    symlinkSync(join(folder, 'elsewhere'), file);
  };
  const damages = [
    () => writeFileSync(file, '{}'),
    () => rmSync(file),
    () => chmodSync(file, 0o600),
    elsewhere,
    () => {
      rmSync(file);
      spawnSync('mkfifo', [file]);
    },
  ];
  for (const damage of damages) {
    damage();
    await started();
    const found = lstatSync(file);
    assert.deepEqual([found.isFile(), found.mode & 0o777], [true, 0o644], damage.toString());
    assert.equal(readFileSync(file, 'utf8'), written);
  }
});
