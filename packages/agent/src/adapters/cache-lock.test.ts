import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { lockDataFolder } from './cache-lock.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'thinman-lock-'));
  file = join(dir, 'lock');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('a folder has one holder, until it lets go', () => {
  const first = lockDataFolder(file);
  assert.ok(first !== undefined);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(lockDataFolder(file), undefined);
  first.release();
  const second = lockDataFolder(file);
  assert.ok(second !== undefined);
  second.release();
});

test('a holder that is killed holds nothing any more', async t => {
  const script = `
    import { lockDataFolder } from ${JSON.stringify(new URL('./cache-lock.ts', import.meta.url).href)};
    lockDataFolder(process.argv[1]);
    console.log('held');
    setInterval(() => globalThis.gc(), 1);`;
  const child = spawn(process.execPath, [
    '--conditions=source',
    '--expose-gc',
    '--input-type=module',
    '-e',
    script,
    file,
  ]);
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  assert.equal(lockDataFolder(file), undefined);
  child.kill('SIGKILL');
  await once(child, 'close');
  const lock = lockDataFolder(file);
  assert.ok(lock !== undefined);
  lock.release();
});

test('a second try in the holder’s own process does not lift the lock for others', t => {
  const lock = lockDataFolder(file);
  t.after(() => lock?.release());
  assert.equal(lockDataFolder(file), undefined);
  const script = `
    import { lockDataFolder } from ${JSON.stringify(new URL('./cache-lock.ts', import.meta.url).href)};
    process.exitCode = lockDataFolder(process.argv[1]) === undefined ? 0 : 9;`;
  const { status } = spawnSync(process.execPath, ['--conditions=source', '--input-type=module', '-e', script, file]);
  assert.equal(status, 0);
});

const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  garbage: path => writeFileSync(path, 'x'.repeat(5_000)),
  'a gigabyte of nothing': path => {
    writeFileSync(path, '');
    truncateSync(path, 2 ** 30);
  },
  'a folder': path => mkdirSync(join(path, 'more'), { recursive: true }),
  'a pipe': path => void spawnSync('mkfifo', [path]),
  'a link that leads nowhere': path => symlinkSync(join(path, 'nowhere'), path),
};

for (const [what, damage] of Object.entries(DAMAGES)) {
  test(`${what} in its place strands no device: it is held all the same, by one`, t => {
    damage(file);
    const lock = lockDataFolder(file);
    t.after(() => lock?.release());
    assert.ok(lock !== undefined);
    assert.ok(statSync(file).isFile());
    assert.equal(lockDataFolder(file), undefined);
  });
}

test('garbage over the lock of one who holds it lets no second one in', t => {
  const lock = lockDataFolder(file);
  t.after(() => lock?.release());
  const garbage = spawnSync('sh', ['-c', 'head -c 5000 /dev/urandom > "$1"', 'sh', file]);
  assert.equal(garbage.status, 0);
  assert.equal(lockDataFolder(file), undefined);
});
