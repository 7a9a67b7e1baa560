import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = `${import.meta.dirname}/../..`;
const page = readFileSync(`${root}/docs/security.md`, 'utf8');
const NAMED = /^- `([^`]+\.(?:ts|json))`: \*(.+)\*$/gm;

test('each test that docs/security.md names exists', () => {
  const named = [...page.matchAll(NAMED)].map(([, file = '', name = '']) => ({ file, name }));
  assert.ok(named.length > 60, `${named.length} are named`);
  const missing = named.filter(({ file, name }) => !existsSync(`${root}/${file}`) || !holds(file, name));
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

/** The name of a test, or the beginning of one that is put together, as a text of the program; or a text of a case. */
function holds(file: string, name: string): boolean {
  const source = readFileSync(`${root}/${file}`, 'utf8').replaceAll("\\'", "'").replaceAll('\\`', '`');
  return ["'", '"', '`'].some(quote => source.includes(quote + name));
}
