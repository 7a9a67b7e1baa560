import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Running } from '../support/processes.ts';
import { createScratch } from '../support/scratch.ts';

const DEMO = join(import.meta.dirname, '..', '..', 'scripts', 'demo.ts');
/** What `npm run demo` may take after installation. */
const DEMO_LIMIT_MS = 90_000;

function startDemo(t: TestContext, ...args: string[]): { demo: Running; folders: () => string[] } {
  const scratch = createScratch('thinman-demo-test-');
  t.after(() => scratch[Symbol.asyncDispose]());
  const before = new Set(demoFolders());
  const demo = scratch.processes.start('demo', DEMO, args);
  return { demo, folders: () => demoFolders().filter(name => !before.has(name)) };
}

const demoFolders = () => readdirSync(tmpdir()).filter(name => /^thinman-demo-\w{6}$/.test(name));

/** Servers and agents that run on a data folder of the demo. */
function leftRunning(folders: readonly string[]): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && existsSync(`/proc/${name}/cmdline`))
    .filter(pid => folders.some(folder => commandLine(pid).includes(folder)));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

test('the demo tells its whole story with every step as expected, in time, and leaves nothing behind', async t => {
  const { demo, folders } = startDemo(t);
  const { code, stdout, stderr, elapsedMs } = await demo.exited;
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  assert.equal(stderr, '');
  assert.ok(elapsedMs < DEMO_LIMIT_MS, `it took ${elapsedMs} ms`);
  assert.match(stdout, /^All \d+ steps as expected, in \d+ s\.$/m);
  assert.match(stdout, /step +expected +what happened +ms/);
  assert.doesNotMatch(stdout, /✖/);
  assert.deepEqual(folders(), []);
});

test('the demo stays when told to, until it is interrupted, and then leaves nothing behind', async t => {
  const { demo, folders } = startDemo(t, '--stay');
  await demo.waitForLine(/^Ctrl-C here ends it all/, DEMO_LIMIT_MS);
  const [folder, ...more] = folders();
  assert.ok(folder !== undefined);
  assert.deepEqual(more, []);
  assert.equal(leftRunning([folder]).length, 5, 'two servers and three agents');
  demo.signal('SIGINT');
  assert.equal((await demo.exited).code, 130);
  assert.deepEqual(leftRunning([folder]), []);
  assert.deepEqual(folders(), []);
});

test('the demo that is interrupted in the middle leaves nothing behind', async t => {
  const { demo, folders } = startDemo(t);
  await demo.waitForLine(/^3\. /);
  const [folder] = folders();
  assert.ok(folder !== undefined);
  demo.signal('SIGINT');
  assert.equal((await demo.exited).code, 130);
  assert.deepEqual(leftRunning([folder]), []);
  assert.deepEqual(folders(), []);
});
