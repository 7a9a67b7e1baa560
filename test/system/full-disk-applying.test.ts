import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFileCache } from '../../packages/agent/src/adapters/file-cache.ts';
import { createApplication } from '../../packages/agent/src/apply/application.ts';
import { type BundleApplied, DEFAULT_AGENT_TIMINGS, type DeviceBundle } from '../../packages/protocol/src/index.ts';
import { canMountDisk, mountSmallDisk, NO_DISK } from '../support/disk.ts';
import { manualClock } from '../support/manual-clock.ts';
import { createScratch } from '../support/scratch.ts';
import { waitFor } from '../support/wait.ts';

const bundleAt = (generation: number): DeviceBundle => ({
  version: { epoch: 1, generation },
  etag: `e${generation}`,
  device: { id: '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11', name: 'tc-1', group: null },
  settings: { 'power.screenOffAfterMinutes': generation },
  profile: { connections: [] },
  timings: DEFAULT_AGENT_TIMINGS,
});

test('a disk that is full while a policy is applied: the old files stay whole, it is told, and applied when there is room', {
  skip: canMountDisk() ? false : NO_DISK,
}, async () => {
  await using scratch = createScratch('thinman-full-');
  using disk = mountSmallDisk(scratch.folder, 'disk');
  assert.ok(disk !== undefined);
  const appliedDir = join(disk.folder, 'applied');
  mkdirSync(appliedDir);
  const clock = manualClock();
  const told: BundleApplied[] = [];
  const defects: unknown[] = [];
  const application = createApplication({
    paths: {
      appliedDir,
      hooksDir: join(disk.folder, 'apply.d'),
      applyStateFile: join(disk.folder, 'apply-state.json'),
    },
    fileCache: createFileCache({
      folder: join(disk.folder, 'files'),
      source: () => assert.fail('no policy names a file'),
      clock,
    }),
    ...{ clock, random: () => 0.5, onLastClosed() {}, anyServerAnswers: async () => true },
    record: data => void told.push(data),
    onDefect: error => void defects.push(error),
  });
  const policy = () => JSON.parse(readFileSync(join(appliedDir, 'device-policy.json'), 'utf8')).version.generation;
  const tellsOf = (count: number) => waitFor(`${count} reports`, () => (told.length === count ? true : undefined));

  application.takeDevice(bundleAt(1));
  await tellsOf(1);
  disk.fill(0);
  application.takeDevice(bundleAt(2));
  await tellsOf(2);
  assert.equal(policy(), 1, 'the old file, whole');
  assert.deepEqual(
    told.map(({ sections }) => [sections?.files?.result, sections?.power?.result]),
    [
      ['applied', 'applied'],
      ['failed', 'failed'],
    ],
  );
  assert.equal(defects.length, 1, 'what was told could not be noted');
  disk.free();
  await clock.advance(10_000);
  await tellsOf(3);
  assert.equal(policy(), 2);
  assert.deepEqual(told.at(-1)?.sections?.power, { result: 'applied' });
  await application.stop();
});

test('a disk that becomes full while a file is stored: what has come is given back, and all of it comes when there is room', {
  skip: canMountDisk() ? false : NO_DISK,
}, async () => {
  await using scratch = createScratch('thinman-full-');
  using disk = mountSmallDisk(scratch.folder, 'disk');
  assert.ok(disk !== undefined);
  const content = Buffer.alloc(2 * 1024 * 1024, 'content');
  const PART = 64 * 1024;
  const asked: number[] = [];
  let filler: (() => void) | undefined = () => disk.fill();
  const folder = join(disk.folder, 'files');
  const cache = createFileCache({
    folder,
    freeLeftBytes: 0,
    clock: manualClock(),
    async *source(_file, from) {
      asked.push(from);
      for (let at = from; at < content.length; at += PART) {
        if (at >= content.length / 2) filler?.();
        yield { from: at, bytes: content.subarray(at, at + PART) };
      }
    },
  });
  const file = { name: 'w.png', sha256: hash('sha256', content, 'hex'), bytes: content.length };
  const { signal } = new AbortController();
  await assert.rejects(
    cache.ensure(file, signal),
    /^Error: the disk became full while w\.png \(2097152 bytes\) was stored/,
  );
  assert.deepEqual(readdirSync(folder), []);
  await assert.rejects(
    cache.ensure(file, signal),
    /w\.png needs 2097152 bytes more/,
    'it has a MiB again, which is too little',
  );
  filler = undefined;
  disk.free();
  assert.ok(readFileSync(await cache.ensure(file, signal)).equals(content));
  assert.deepEqual(asked, [0, 0]);
});
