import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS } from '@thinman/protocol';

/** What each entry says besides code, scope, status and title. */
const ADVICE = ['Cause', 'User', 'Administrator'];

const page = readFileSync(`${import.meta.dirname}/../../docs/errors.md`, 'utf8');

const [, ...sections] = page.split(/^## Scope /m);
const entries = sections.flatMap(section => {
  const scope = /^`(\w+)`/.exec(section)?.[1];
  const [, ...parts] = section.split(/^### /m);
  return parts.map(part => {
    const { code, status, title } = /^`(?<code>\w+)`\n\n(?<status>\d+): (?<title>.*)\n/.exec(part)?.groups ?? {};
    const advice = [...part.matchAll(/^- (\w+): \S/gm)].map(([, name]) => name);
    return { told: { code, scope, status: Number(status), title }, advice };
  });
});

test('docs/errors.md has every code once, in the order of the table, with its scope, status and title', () => {
  const table = Object.entries(ERRORS).map(([code, { status, scope, title }]) => ({ code, scope, status, title }));
  assert.deepEqual(
    entries.map(({ told }) => told),
    table,
  );
});

test('docs/errors.md says of every code where it comes from and what to do', () => {
  for (const { told, advice } of entries) assert.deepEqual([told.code, ...advice], [told.code, ...ADVICE]);
});
