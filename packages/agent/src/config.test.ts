import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { prepareDataFolder } from './config.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'thinman-config-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;

test('a new data folder may be passed through but not listed, and the identity is closed, whatever the umask', () => {
  for (const mask of [0, 0o077]) {
    const umask = process.umask(mask);
    const paths = prepareDataFolder(join(root, `agent-${mask}`));
    assert.equal(process.umask(umask), mask);
    assert.equal(modeOf(paths.dataDir), 0o711);
    assert.equal(modeOf(paths.identityDir), 0o700);
    assert.equal(modeOf(paths.appliedDir), 0o755);
  }
});

test('a folder that an administrator has closed stays closed', () => {
  const dir = join(root, 'agent');
  mkdirSync(dir);
  chmodSync(dir, 0o700);
  prepareDataFolder(dir);
  prepareDataFolder(dir);
  assert.equal(modeOf(dir), 0o700);
});
