import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { transformSync } from 'esbuild';
import { BROKEN_BUILDS, NEEDS_REPLICATION } from './broken-builds.ts';

const PACKAGES = join(import.meta.dirname, '..', '..', 'packages');

// `npm run nemesis -- --broken` takes many minutes: that what it edits is still there is seen here.
describe('the broken builds of the nemesis', () => {
  for (const [name, edits] of Object.entries(BROKEN_BUILDS)) {
    it(`break what is built now: ${name}`, () => {
      for (const { file, from, to } of edits) {
        const built = readFileSync(join(PACKAGES, file), 'utf8');
        assert.equal(built.split(from).length, 2, `${file} has "${from}" once`);
        transformSync(built.replace(from, to), { loader: 'js' });
      }
    });
  }

  it('are known by their names', () => {
    for (const name of NEEDS_REPLICATION) assert.ok(name in BROKEN_BUILDS, name);
  });
});
