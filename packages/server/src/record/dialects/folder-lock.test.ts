import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { lockFolder } from './folder-lock.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the lock of a data folder', () => {
  it('keeps a second server out of the folder, in this process too, until it is let go', () => {
    const release = lockFolder(folder);
    assert.ok(release);
    assert.equal(lockFolder(folder), undefined);
    release();
    const again = lockFolder(folder);
    assert.ok(again);
    again();
  });

  it('is gone with a process that was killed', async () => {
    const source = `import { lockFolder } from ${JSON.stringify(new URL('./folder-lock.ts', import.meta.url).href)};
      if (lockFolder(process.argv[1]) === undefined) process.exit(1);
      process.stdout.write('locked'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', source, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.equal(lockFolder(folder), undefined);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const release = lockFolder(folder);
    assert.ok(release);
    release();
  });
});
