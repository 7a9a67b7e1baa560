import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
    assert.equal(whereKept(), join(folder, 'compiled'));
    assert.equal(statSync(join(folder, 'compiled')).mode & 0o777, 0o700);
  });

  it('is not used where others could have written it', () => {
    mkdirSync(join(folder, 'identity'));
    mkdirSync(join(folder, 'compiled'));
    chmodSync(join(folder, 'compiled'), 0o777);
    assert.equal(whereKept(), undefined);
    chmodSync(join(folder, 'compiled'), 0o700);
    chmodSync(folder, 0o777);
    assert.equal(whereKept(), undefined);
  });

  it('is not used through a link to elsewhere', () => {
    mkdirSync(join(folder, 'identity'));
    mkdirSync(join(folder, 'elsewhere'), { mode: 0o700 });
    symlinkSync('elsewhere', join(folder, 'compiled'));
    assert.equal(whereKept(), undefined);
  });

  function whereKept(): string | undefined {
    // A process of its own: the tests' own keeps its compiled code elsewhere.
    const program = `import { reuseCompiled } from ${JSON.stringify(join(import.meta.dirname, 'compiled.ts'))};
      import { getCompileCacheDir } from 'node:module';
      reuseCompiled(${JSON.stringify(folder)});
      process.stdout.write(getCompileCacheDir() ?? 'nowhere');`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      env: {},
    });
    assert.notEqual(stdout, '', stderr);
    // Node puts a folder of its own version in there.
    return stdout === 'nowhere' ? undefined : dirname(stdout);
  }
});
