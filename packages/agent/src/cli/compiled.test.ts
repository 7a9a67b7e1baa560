import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { reuseCompiled } from './compiled.ts';

describe('compiled code that is kept', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'thinman-compiled-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is none in a folder that is no device’s: nothing is made there', () => {
    reuseCompiled(folder);
    reuseCompiled(join(folder, 'nowhere'));
    assert.deepEqual(readdirSync(folder), []);
  });

  it('does not keep an agent from starting where it cannot be kept', () => {
    mkdirSync(join(folder, 'identity'));
    writeFileSync(join(folder, 'compiled'), 'no folder');
    reuseCompiled(folder);
  });

  it('is in a folder that only the agent’s own user can write, in its data folder', () => {
    mkdirSync(join(folder, 'identity'));
    // A process of its own: the tests' own keeps its compiled code elsewhere.
    const program = `import { reuseCompiled } from ${JSON.stringify(join(import.meta.dirname, 'compiled.ts'))};
      import { getCompileCacheDir } from 'node:module';
      reuseCompiled(${JSON.stringify(folder)});
      process.stdout.write(getCompileCacheDir());`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      env: {},
    });
    assert.ok(stdout.startsWith(join(folder, 'compiled')), stdout + stderr);
    assert.equal(statSync(join(folder, 'compiled')).mode & 0o777, 0o700);
  });
});
