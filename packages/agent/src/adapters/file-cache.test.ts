import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { BundleFile } from '@thinman/protocol';
import { manualClock } from '../../../../test/support/manual-clock.ts';
import type { FileSource } from '../ports.ts';
import { createFileCache } from './file-cache.ts';

const content = Buffer.from('a wallpaper of some size, in parts');
const file = (bytes: Buffer = content, name = 'wallpaper.png'): BundleFile => ({
  name,
  sha256: hash('sha256', bytes, 'hex'),
  bytes: bytes.length,
});
const { signal } = new AbortController();

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'thinman-files-')), 'files');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

/** Gives `given` in parts of 10 bytes; breaks off before `until`. Remembers from where it was asked. */
function sourceOf(given: Buffer, until = { bytes: Number.POSITIVE_INFINITY }) {
  const asked: number[] = [];
  const source: FileSource = async function* (_file, from) {
    asked.push(from);
    for (let at = from; at < given.length; at += 10) {
      if (at >= until.bytes) throw new Error('the line broke');
      yield { from: at, bytes: given.subarray(at, at + 10) };
    }
  };
  return { source, asked };
}

test('a file is fetched once, checked, and given by its path, which others may read', async () => {
  const { source, asked } = sourceOf(content);
  const cache = createFileCache({ folder, source, clock: manualClock() });
  assert.equal(cache.pathOf(file()), undefined);
  const path = await cache.ensure(file(), signal);
  assert.deepEqual(readFileSync(path), content);
  assert.equal(statSync(path).mode & 0o777, 0o644);
  assert.equal(await cache.ensure(file(), signal), path);
  assert.equal(cache.pathOf(file()), path);
  assert.deepEqual(asked, [0]);
  assert.deepEqual(readdirSync(folder), [file().sha256]);
});

test('what was cut off goes on where it was, after a restart too', async () => {
  const until = { bytes: 20 };
  const first = sourceOf(content, until);
  const cache = createFileCache({ folder, source: first.source, clock: manualClock() });
  await assert.rejects(cache.ensure(file(), signal), /the line broke/);
  const second = sourceOf(content);
  const again = createFileCache({ folder, source: second.source, clock: manualClock() });
  assert.deepEqual(readFileSync(await again.ensure(file(), signal)), content);
  assert.deepEqual(second.asked, [20]);
});

test('a server that knows no ranges begins anew', async () => {
  const half = sourceOf(content, { bytes: 20 });
  await assert.rejects(createFileCache({ folder, source: half.source, clock: manualClock() }).ensure(file(), signal));
  const whole: FileSource = async function* () {
    yield { from: 0, bytes: content };
  };
  const cache = createFileCache({ folder, source: whole, clock: manualClock() });
  assert.deepEqual(readFileSync(await cache.ensure(file(), signal)), content);
});

for (const [from, url, againMs] of [
  ['a URL', 'https://files.example.org/w.png', 3_600_000],
  ['a server', undefined, 60_000],
] as const) {
  test(`a wrong content from ${from} is refused, given to nobody, and not fetched again for ${againMs} ms`, () =>
    refusesFor(againMs, { ...file(), ...(url !== undefined && { url }) }));
}

async function refusesFor(againMs: number, wanted: BundleFile): Promise<void> {
  const clock = manualClock();
  const other = Buffer.from(content).fill(120, 3, 4);
  const { source, asked } = sourceOf(other);
  const cache = createFileCache({ folder, source, clock });
  await assert.rejects(cache.ensure(wanted, signal), /wallpaper.png has another content than the site says/);
  await clock.advance(againMs - 1);
  await assert.rejects(cache.ensure(wanted, signal), /another content/);
  assert.deepEqual(asked, [0]);
  assert.equal(cache.pathOf(wanted), undefined);
  assert.deepEqual(readdirSync(folder), []);
  await clock.advance(1);
  await assert.rejects(cache.ensure(wanted, signal), /another content/);
  assert.deepEqual(asked, [0, 0]);
}

test('parts that do not fit together are thrown away, and the whole is fetched at once', async () => {
  const half = sourceOf(Buffer.alloc(content.length, 120), { bytes: 20 });
  await assert.rejects(createFileCache({ folder, source: half.source, clock: manualClock() }).ensure(file(), signal));
  const { source, asked } = sourceOf(content);
  const cache = createFileCache({ folder, source, clock: manualClock() });
  await assert.rejects(cache.ensure(file(), signal), /another content/);
  assert.deepEqual(readFileSync(await cache.ensure(file(), signal)), content);
  assert.deepEqual(asked, [20, 0]);
});

test('nothing is fetched that would take the room of logins', async () => {
  const { source, asked } = sourceOf(content);
  const cache = createFileCache({ folder, source, clock: manualClock(), freeLeftBytes: Number.MAX_SAFE_INTEGER });
  await assert.rejects(cache.ensure(file(), signal), /wallpaper.png needs 34 bytes more, .* stay free/);
  assert.deepEqual(asked, []);
});

test('more than the site says is as wrong', async () => {
  const { source } = sourceOf(Buffer.concat([content, Buffer.from('and more of it')]));
  const cache = createFileCache({ folder, source, clock: manualClock() });
  await assert.rejects(cache.ensure(file(), signal), /another content/);
});

test('a file that went bad on the disk is fetched anew', async () => {
  const { source, asked } = sourceOf(content);
  const path = await createFileCache({ folder, source, clock: manualClock() }).ensure(file(), signal);
  writeFileSync(path, Buffer.from(content).fill(120, 3, 4));
  const restarted = createFileCache({ folder, source, clock: manualClock() });
  assert.deepEqual(readFileSync(await restarted.ensure(file(), signal)), content);
  assert.deepEqual(asked, [0, 0]);
});

test('an empty file is a file', async () => {
  const { source } = sourceOf(Buffer.alloc(0));
  const cache = createFileCache({ folder, source, clock: manualClock() });
  assert.equal(statSync(await cache.ensure(file(Buffer.alloc(0)), signal)).size, 0);
});

test('above the limit the oldest that nobody needs go, and what is too large itself is refused', async () => {
  const clock = manualClock();
  const [old, young, next] = ['old', 'young', 'next'].map(text => Buffer.from(text.padEnd(40, '.')));
  const made = (bytes: Buffer | undefined) => file(bytes, 'x');
  const limitBytes = 100;
  const cacheOf = (bytes: Buffer | undefined) =>
    createFileCache({ folder, source: sourceOf(bytes ?? content).source, clock, limitBytes });
  const first = await cacheOf(old).ensure(made(old), signal);
  utimesSync(first, 1, 1);
  const second = await cacheOf(young).ensure(made(young), signal);
  const cache = cacheOf(next);
  cache.makeRoom([made(next)]);
  await cache.ensure(made(next), signal);
  assert.deepEqual([existsSync(first), existsSync(second)], [false, true]);
  await assert.rejects(cache.ensure({ ...made(old), bytes: 101 }, signal), /keeps at most 100/);
});

test('a pipe, a folder or a link in the place of a file, or of a part of it, goes', async () => {
  mkdirSync(folder);
  for (const name of [file().sha256, `${file().sha256}.part`]) {
    const path = join(folder, name);
    for (const damage of [
      () => spawnSync('mkfifo', [path]),
      () => mkdirSync(join(path, 'more'), { recursive: true }),
      () => symlinkSync(path, path),
    ]) {
      rmSync(path, { recursive: true, force: true });
      damage();
      const cache = createFileCache({ folder, source: sourceOf(content).source, clock: manualClock() });
      assert.deepEqual(readFileSync(await cache.ensure(file(), signal)), content);
    }
  }
});

test('where no folder can be a file has not come, and nothing else is wrong', async () => {
  for (const damage of [() => writeFileSync(folder, ''), () => symlinkSync(folder, folder)]) {
    rmSync(folder, { force: true });
    damage();
    const cache = createFileCache({ folder, source: sourceOf(content).source, clock: manualClock() });
    cache.makeRoom([file()]);
    cache.keepOnly([]);
    await assert.rejects(cache.ensure(file(), signal), { code: /^(?:EEXIST|ENOTDIR|ELOOP)$/ });
  }
});
