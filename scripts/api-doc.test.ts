import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { apiPage } from './api-doc.ts';
import { publicDeclarations } from './declarations.ts';

const ROOT = `${import.meta.dirname}/..`;

describe('docs/api.md', () => {
  it('is what `npm run docs` makes of the docstrings', () => {
    assert.equal(readFileSync(`${ROOT}/docs/api.md`, 'utf8'), apiPage(), 'run `npm run docs`');
  });

  for (const name of ['protocol', 'agent', 'server']) {
    it(`finds a docstring on everything that @thinman/${name} exports`, () => {
      const { exported } = publicDeclarations(`${ROOT}/packages/${name}/dist/index.d.ts`);
      assert.ok(exported.length > 5);
      assert.deepEqual(
        exported.filter(({ doc }) => doc === '').map(declaration => declaration.name),
        [],
      );
    });
  }
});
