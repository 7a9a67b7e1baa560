import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { markFolder, removeLeftovers } from './support/leftovers.ts';

test('what a killed bench left is ended and removed, and nobody else’s', async () => {
  const among = mkdtempSync(join(tmpdir(), 'thinman-leftovers-'));
  const folder = (name: string) => {
    mkdirSync(join(among, name));
    return join(among, name);
  };
  const [mine, left, unmarked, other] = [folder('bench-a'), folder('bench-b'), folder('bench-c'), folder('other')];
  markFolder(mine);
  // As of a process that had this id before.
  const mark = readFileSync(join(mine, 'made-by'), 'utf8').replace(/^(\d+) \d+ /, '$1 1 ');
  for (const each of [left, other]) writeFileSync(join(each, 'made-by'), mark);
  const works = (inside: string) => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', inside]);
  const [inLeft, inMine, beside] = [works(join(left, 'primary')), works(mine), works(`${left}2`)];
  try {
    await Promise.all([inLeft, inMine, beside].map(child => once(child, 'spawn')));
    const ended = once(inLeft, 'exit');
    const said: string[] = [];
    await removeLeftovers(among, line => said.push(line));
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    assert.deepEqual(
      [mine, left, unmarked, other].map(each => existsSync(each)),
      [true, false, true, true],
    );
    assert.deepEqual(
      [inMine.exitCode, inMine.signalCode, beside.exitCode, beside.signalCode],
      [null, null, null, null],
    );
    assert.deepEqual(said, [
      `${left} was left by a bench that was killed: removed, with 1 processes that worked in it`,
    ]);
  } finally {
    for (const child of [inLeft, inMine, beside]) child.kill('SIGKILL');
    rmSync(among, { recursive: true, force: true });
  }
});
