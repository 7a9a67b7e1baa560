// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of policies look like those of JavaScript
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { CONNECTION_TYPES, type Connection, SETTINGS } from '@thinman/protocol';
import { Compile } from 'typebox/compile';
import { parseAllDocuments } from 'yaml';
import {
  CONNECTIONS_PAGE,
  connectionsPage,
  OBJECTS_SCHEMA,
  objectsSchema,
  objectsSchemaText,
  SETTINGS_PAGE,
  settingsPage,
  wordsOfField,
} from './settings-doc.ts';

const fits = Compile(objectsSchema());
const EXAMPLES = `${import.meta.dirname}/../examples/hospital/*.yaml`;

describe('docs/settings.md, docs/connections.md and the schema for editors', () => {
  it('are what `npm run docs` makes of the catalogue', () => {
    assert.equal(readFileSync(SETTINGS_PAGE, 'utf8'), settingsPage(), 'run `npm run docs`');
    assert.equal(readFileSync(CONNECTIONS_PAGE, 'utf8'), connectionsPage(), 'run `npm run docs`');
    assert.equal(readFileSync(OBJECTS_SCHEMA, 'utf8'), objectsSchemaText(), 'run `npm run docs`');
  });

  it('name every setting', () => {
    const page = settingsPage();
    for (const key of SETTINGS.keys()) assert.ok(page.includes(`\`${key}\``), key);
  });

  it('say of each field of each connection what it is', () => {
    for (const [type, { properties }] of Object.entries(CONNECTION_TYPES)) {
      for (const name of Object.keys(properties)) {
        assert.ok(wordsOfField(type as Connection['type'], name), `${type}.${name} has no words`);
      }
    }
    // The example on the page is one that apply takes.
    const [, yaml = ''] = /```yaml\n(.*?)```/s.exec(connectionsPage()) ?? [];
    assert.ok(fits.Check(parseAllDocuments(yaml)[0]?.toJS()));
  });

  it('take what the examples apply', () => {
    const documents = globSync(EXAMPLES).flatMap(file => parseAllDocuments(readFileSync(file, 'utf8')));
    assert.ok(documents.length > 10);
    for (const document of documents) assert.ok(fits.Check(document.toJS()), document.toString());
  });

  it('take variables where apply does', () => {
    const policy = {
      kind: 'Policy',
      name: 'p',
      body: { settings: { browser: { homepage: 'https://${device.name}/' } } },
    };
    assert.ok(fits.Check(policy));
    const profile = (connection: object) => ({ kind: 'Profile', name: 'p', body: { connections: [connection] } });
    const rdp = { name: 'c', type: 'rdp', host: 'rds-${device.group:-any}.example.org', user: '${user.name}' };
    assert.ok(fits.Check(profile(rdp)));
    assert.ok(!fits.Check(profile({ ...rdp, user: 'a b' })));
    assert.ok(!fits.Check(profile({ ...rdp, fallback: '${user.name}/x' })));
  });

  it('refuse a setting that does not exist, and a value that it does not take', () => {
    const policy = (settings: unknown) => ({ kind: 'Policy', name: 'p', body: { settings } });
    assert.ok(fits.Check(policy({ power: { screenOffAfterMinutes: 10 } })));
    assert.ok(!fits.Check(policy({ power: { screenOfAfterMinutes: 10 } })));
    assert.ok(!fits.Check(policy({ power: { screenOffAfterMinutes: '10' } })));
  });
});
