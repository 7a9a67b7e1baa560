import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { readSmallFile, readSmallFileIfThere, UnfitFile } from './read-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thinman-read-'));
  path = join(folder, 'file');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a file is read whole, also through a link; one that is not there is none', () => {
  assert.equal(readSmallFileIfThere(path, 10), undefined);
  assert.throws(() => readSmallFile(path, 10), { code: 'ENOENT' });
  writeFileSync(path, '0123456789');
  assert.equal(readSmallFile(path, 10).toString(), '0123456789');
  symlinkSync(path, join(folder, 'link'));
  assert.equal(readSmallFileIfThere(join(folder, 'link'), 10)?.toString(), '0123456789');
  writeFileSync(path, '');
  assert.equal(readSmallFile(path, 10).length, 0);
});

test('nobody waits for a pipe, and what is a folder, a socket or huge is told', async () => {
  spawnSync('mkfifo', [path]);
  assert.throws(() => readSmallFileIfThere(path, 10), new UnfitFile(path, 'is not a file'));
  rmSync(path);
  mkdirSync(path);
  assert.throws(() => readSmallFileIfThere(path, 10), new UnfitFile(path, 'is not a file'));
  const socket = join(folder, 'socket');
  const server = createServer().listen(socket);
  await new Promise(resolve => server.once('listening', resolve));
  assert.throws(() => readSmallFileIfThere(socket, 10), new UnfitFile(socket, 'is not a file'));
  await new Promise(resolve => server.close(resolve));
  rmSync(path, { recursive: true });
  writeFileSync(path, '');
  truncateSync(path, 2 ** 30);
  assert.throws(() => readSmallFile(path, 10), new UnfitFile(path, `is too large (${2 ** 30} bytes)`));
});
