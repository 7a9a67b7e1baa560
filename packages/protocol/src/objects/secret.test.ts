import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TSchema } from 'typebox';
import { OBJECT_KINDS, type ObjectKind, secretFieldsOf } from './index.ts';
import { isSecret } from './secret.ts';
import { SETTINGS } from './settings/index.ts';

test('the fields that are marked secret', () => {
  const marked = Object.keys(OBJECT_KINDS).flatMap(kind =>
    secretFieldsOf(kind as ObjectKind).map(field => `${kind}.${field}`),
  );
  assert.deepEqual(marked, ['Directory.bindPassword']);
});

test('no field is marked where nothing would seal it: below the top of a body, and among the settings of a policy', () => {
  const deeper: string[] = [];
  const look = (value: unknown, path: string, depth: number): void => {
    if (typeof value !== 'object' || value === null) return;
    if (depth > 2 && isSecret(value as TSchema)) deeper.push(path);
    for (const [key, inner] of Object.entries(value)) look(inner, `${path}.${key}`, depth + 1);
  };
  for (const [kind, schema] of Object.entries(OBJECT_KINDS)) look(schema, kind, 0);
  for (const { key, schema } of SETTINGS.values()) if (isSecret(schema)) deeper.push(key);
  assert.deepEqual(deeper, []);
});
