import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tellFindings } from './findings.ts';

test('what is to be mended in a database is told once, however many handles come upon it', () => {
  const told: string[] = [];
  const tell = tellFindings({ warn: (_about: object, words?: string) => void told.push(words ?? '') });
  for (let handle = 0; handle < 4; handle++) tell('db-a', { what: 'no rights', mend: ['GRANT;'] });
  tell('db-b', { what: 'no rights', mend: ['GRANT;'] });
  tell('db-a', { what: 'no durability', mend: [] });
  assert.deepEqual(
    told.map(words => words.split(': ')[1]),
    ['no rights', 'no rights', 'no durability'],
  );
});
