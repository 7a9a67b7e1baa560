import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { SETTINGS } from '@thinman/protocol';
import { Compile } from 'typebox/compile';
import { parseAllDocuments } from 'yaml';
import { OBJECTS_SCHEMA, objectsSchema, objectsSchemaText, SETTINGS_PAGE, settingsPage } from './settings-doc.ts';

const fits = Compile(objectsSchema());
const EXAMPLES = `${import.meta.dirname}/../examples/hospital/*.yaml`;

describe('docs/settings.md and the schema for editors', () => {
  it('are what `npm run docs` makes of the catalogue', () => {
    assert.equal(readFileSync(SETTINGS_PAGE, 'utf8'), settingsPage(), 'run `npm run docs`');
    assert.equal(readFileSync(OBJECTS_SCHEMA, 'utf8'), objectsSchemaText(), 'run `npm run docs`');
  });

  it('name every setting', () => {
    const page = settingsPage();
    for (const key of SETTINGS.keys()) assert.ok(page.includes(`\`${key}\``), key);
  });

  it('take what the examples apply', () => {
    const documents = globSync(EXAMPLES).flatMap(file => parseAllDocuments(readFileSync(file, 'utf8')));
    assert.ok(documents.length > 10);
    for (const document of documents) assert.ok(fits.Check(document.toJS()), document.toString());
  });

  it('refuse a setting that does not exist, and a value that it does not take', () => {
    const policy = (settings: unknown) => ({ kind: 'Policy', name: 'p', body: { settings } });
    assert.ok(fits.Check(policy({ power: { screenOffAfterMinutes: 10 } })));
    assert.ok(!fits.Check(policy({ power: { screenOfAfterMinutes: 10 } })));
    assert.ok(!fits.Check(policy({ power: { screenOffAfterMinutes: '10' } })));
  });
});
