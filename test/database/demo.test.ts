import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createScratch } from '../support/scratch.ts';

const DEMO = join(import.meta.dirname, '..', '..', 'scripts', 'demo.ts');

for (const redundancy of ['--half', '--full']) {
  test(`the demo tells its story of ${redundancy} with every step as expected`, async () => {
    await using scratch = createScratch('thinman-demo-test-');
    const { code, stdout, stderr } = await scratch.processes.run(DEMO, [redundancy]);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /^All \d+ steps as expected, in \d+ s\.$/m);
    assert.doesNotMatch(stdout, /✖/);
  });
}
