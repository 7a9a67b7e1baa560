import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommandError } from './command-error.ts';
import { parseFile, readDocuments } from './documents.ts';

const WARD = `# the third floor
kind: DeviceGroup
name: ward-3
body: {}
---
kind: Profile
name: nurses
body:
  connections:
    - { name: ward, type: rdp }
    - name: wiki
      type: web
`;

test('an object knows its file, its document, and the line of each of its fields', () => {
  const { objects, mistakes } = parseFile('ward.yaml', WARD);
  assert.deepEqual(mistakes, []);
  const [group, profile] = objects;
  assert.equal(group?.where(''), 'ward.yaml:2 (document 1)');
  assert.equal(profile?.where('name'), 'ward.yaml:7 (document 2)');
  assert.equal(
    profile?.where('body.connections.0.host'),
    'ward.yaml:10 (document 2)',
    'what is missing: where it should be',
  );
  assert.equal(profile?.where('body.connections.1.type'), 'ward.yaml:12 (document 2)');
  assert.equal(profile?.where('no.such.field'), 'ward.yaml:6 (document 2)');
});

test('a list is as many objects; JSON is YAML; empty documents are nothing', () => {
  const list = parseFile('x.json', '[{"kind":"User","name":"a","body":{}},\n{"kind":"User","name":"b","body":{}}]');
  assert.deepEqual(
    list.objects.map(({ value }) => (value as { name: string }).name),
    ['a', 'b'],
  );
  assert.equal(list.objects[1]?.where('name'), 'x.json:2 (document 1)');
  for (const empty of ['', '# a comment\n', '---\n---\n', '---\n...\n']) {
    assert.deepEqual(parseFile('x', empty), { objects: [], mistakes: [] }, JSON.stringify(empty));
  }
});

test('a file that is not UTF-8 is not read: two passwords of it could be one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-documents-'));
  try {
    const file = join(folder, 'latin1.yaml');
    writeFileSync(file, Buffer.from('kind: User\nname: lat\nbody: { password: p\u00e4ssword1 }\n', 'latin1'));
    await assert.rejects(
      readDocuments([file]),
      (error: unknown) =>
        error instanceof CommandError && error.exitCode === 2 && /latin1\.yaml is not UTF-8/.test(error.message),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('text that is no YAML is told by its line, and so is a key that is there twice', () => {
  for (const [bad, line] of [
    ['kind: [\n', 2],
    ['kind: User\nname: a\nname: b\n', 3],
    ['a: 1\n---\nkind: "User\n', 4],
  ] as const) {
    const { mistakes } = parseFile('x.yaml', bad);
    assert.equal(mistakes.length, 1, bad);
    assert.match(mistakes[0] ?? '', new RegExp(`^x\\.yaml:${line} `));
    assert.doesNotMatch(mistakes[0] ?? '', /\n/);
  }
});

test('a key that is no plain text is a mistake, and nothing of it is shown', t => {
  const warned = t.mock.method(process, 'emitWarning', () => {});
  for (const bad of [
    'kind: User\nname: a\nbody:\n  ? { password: a-first-password }\n  : 1\n',
    '? [a-first-password]\n: 1\n',
    'a: &x [a-first-password]\n*x : 1\n',
    '!!binary YS1maXJzdC1wYXNzd29yZA== : 1\n',
  ]) {
    const { objects, mistakes } = parseFile('x.yaml', bad);
    assert.deepEqual(objects, []);
    assert.match(mistakes.join('\n'), /^x\.yaml:\d \(document 1\): a key is no plain text/);
    assert.doesNotMatch(mistakes.join('\n'), /a-first-password/);
  }
  assert.equal(warned.mock.callCount(), 0, 'the library would have told it on standard error');
});

test('a small file does not become a huge object', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let n = 1; n < 9; n++)
    lines.push(
      `a${n}: &a${n} [${Array(10)
        .fill(`*a${n - 1}`)
        .join(', ')}]`,
    );
  assert.match(parseFile('bomb.yaml', lines.join('\n')).mistakes.join(), /bomb\.yaml:1 .*aliases/);
});

test('a folder is all its YAML and JSON files, by name', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinman-documents-'));
  try {
    mkdirSync(join(folder, 'inner'));
    for (const name of ['b.yaml', 'a.yml', 'inner/c.json', 'notes.txt']) {
      writeFileSync(join(folder, name), `{ kind: User, name: ${name}, body: {} }`);
    }
    const names = (await readDocuments([folder])).map(({ value }) => (value as { name: string }).name);
    assert.deepEqual(names, ['a.yml', 'b.yaml', 'inner/c.json']);
    await assert.rejects(readDocuments([join(folder, 'none')]), CommandError);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a key that no server takes is told by its place', () => {
  const poisoned = 'kind: Policy\nname: p\nbody:\n  settings:\n    __proto__: { x: 1 }\n';
  assert.deepEqual(parseFile('p.yaml', `a: 1\n---\n${poisoned}`).mistakes, [
    'p.yaml:7 (document 2): body.settings.__proto__ is a name that no field can have: choose another one',
  ]);
  const { mistakes } = parseFile('p.yaml', '{ body: { constructor: { prototype: {} } } }');
  assert.match(mistakes[0] ?? '', /^p\.yaml:1 \(document 1\): body\.constructor is a name that no field can have/);
  assert.deepEqual(parseFile('p.yaml', '{ body: { constructor: text } }').mistakes, []);
});

test('what is nested too deeply is one mistake that names the file, however deep', () => {
  for (const depth of [40, 500, 100_000]) {
    for (const text of [
      `${'['.repeat(depth)}${']'.repeat(depth)}`,
      `a: ${'{a: '.repeat(depth)}1${'}'.repeat(depth)}`,
    ]) {
      const { objects, mistakes } = parseFile('deep.yaml', text);
      assert.equal(mistakes.length, 1);
      assert.match(mistakes[0] ?? '', /^deep\.yaml.*: is nested too deeply/);
      assert.deepEqual(objects, []);
    }
  }
});
