import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
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
