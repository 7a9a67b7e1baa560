import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createProcesses } from './processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'thinman-processes-'));
const processes = createProcesses(join(folder, 'logs'), join(folder, 'home'));
after(async () => {
  await processes.endAll();
  rmSync(folder, { recursive: true });
});

function script(name: string, text: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, text);
  return path;
}

const TICKER = `let n = 0; setInterval(() => console.log('tick', ++n), 5); console.log('READY');`;

test('gives the exit code, what was said, and keeps it in a file', async () => {
  const path = script(
    'talk',
    `process.stdin.on('data', d => { console.log('got ' + d); console.error('oops'); process.exitCode = 3; })`,
  );
  const running = processes.start('talk', path, [], { input: 'secret' });
  const finished = await running.exited;
  assert.equal(finished.code, 3);
  assert.equal(finished.stdout, 'got secret\n');
  assert.equal(finished.stderr, 'oops\n');
  assert.match(readFileSync(join(folder, 'logs', 'talk.log'), 'utf8'), /got secret/);
});

test('waits for a line, also one that came before', async () => {
  const running = processes.start('ticker', script('ticker', TICKER), []);
  await running.waitForLine(/^tick 3$/);
  assert.equal(await running.waitForLine(/^READY/), 'READY');
  const { signal } = await running.kill();
  assert.equal(signal, 'SIGKILL');
});

test('a process that ends without the line is an error that tells what it said', async () => {
  const running = processes.start('dies', script('dies', `console.error('no database'); process.exitCode = 4;`), []);
  await assert.rejects(running.waitForLine(/^READY/), /It ended: 4[\s\S]*no database/);
});

test('a frozen process stands still, and goes on when it is thawed', async () => {
  const running = processes.start('frozen', script('frozen', TICKER), []);
  await running.waitForLine(/^READY/);
  await running.freeze();
  assert.match(readFileSync(`/proc/${running.pid}/status`, 'utf8'), /^State:\s+T/m);
  running.signal('SIGCONT');
  const heard = running.stdout().split('\n').length;
  await running.waitForLine(new RegExp(`^tick ${heard + 2}$`));
  await running.kill();
});

test('ends what still runs', async () => {
  const running = processes.start('left', script('left', TICKER), []);
  await running.waitForLine(/^READY/);
  await processes.endAll();
  assert.equal(running.isRunning(), false);
  assert.deepEqual(processes.running(), []);
});
