import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hasTest } from '../support/named-tests.ts';

const root = `${import.meta.dirname}/../..`;
const page = readFileSync(`${root}/docs/security.md`, 'utf8');
const NAMED = /^- `([^`]+\.(?:ts|json))`: \*(.+)\*$/gm;

test('each test that docs/security.md names exists', () => {
  const named = [...page.matchAll(NAMED)].map(([, file = '', name = '']) => ({ file, name }));
  assert.ok(named.length > 60, `${named.length} are named`);
  const missing = named.filter(({ file, name }) => !hasTest(file, name));
  assert.deepEqual(missing, []);
});

test('each claim there has one', () => {
  const [held = ''] = page.split('## What does not hold');
  const [, ...sections] = held.split(/^## /m).filter(section => !section.startsWith('Who trusts whom'));
  for (const section of sections) {
    // A claim ends with the list of its tests, and the next one begins.
    const claims = section
      .split(/\n\n(?!- )/)
      .slice(1)
      .filter(text => /^\*\*/.test(text) || text.includes('\n- '));
    assert.ok(claims.length > 0, section.slice(0, 60));
    for (const claim of claims) assert.match(claim, /\n- `/, `without a test: ${claim}`);
  }
});
