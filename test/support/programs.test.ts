import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { feedProgram, runProgram, startProgram, systemProgram } from './programs.ts';
import { createScratch } from './scratch.ts';
import { waitFor } from './wait.ts';

// setpriv is Linux's own.
const options = { skip: process.platform === 'linux' ? false : 'needs Linux' };
const scratch = createScratch('thinman-programs-');
after(() => scratch[Symbol.asyncDispose]());

const stateOf = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0];
  } catch {
    return undefined;
  }
};

test('gives back what a program wrote, or throws what it said', options, async () => {
  assert.equal(await feedProgram('fed', 'cat'), 'fed');
  await assert.rejects(runProgram('sh', '-c', 'echo why >&2; exit 3'), /why/);
  await assert.rejects(runProgram('no-such-program'), /no-such-program/);
  assert.throws(() => systemProgram('no-such-program'), /no-such-program is not installed/);
});

test('says how a program ended that cannot be found', options, async () => {
  const { code, stderr } = await startProgram({ name: 'none', command: ['no-such-program'], logs: scratch.folder })
    .exited;
  assert.notEqual(code, 0);
  assert.match(stderr, /no-such-program/);
});

test('what was started ends with the process that started it, however that ended', options, async () => {
  const path = join(scratch.folder, 'starter.ts');
  writeFileSync(
    path,
    `import { startProgram } from ${JSON.stringify(join(import.meta.dirname, 'programs.ts'))};
    const { pid } = startProgram({ name: 'sleep', command: ['sleep', 'infinity'], logs: ${JSON.stringify(scratch.folder)} });
    console.log('STARTED', pid);`,
  );
  const starter = scratch.processes.start('starter', path, []);
  const pid = Number((await starter.waitForLine(/^STARTED/)).split(' ')[1]);
  await waitFor('it to run', () => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('sleep') || undefined);
  await starter.kill();
  // A zombie has ended too: whoever adopted it has not looked yet.
  await waitFor('it to end', () => [undefined, 'Z', 'X'].includes(stateOf(pid)) || undefined);
});
