import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DeviceFrame,
  nameProblem,
  OBJECT_KINDS,
  ObjectName,
  PrimaryFrame,
  parseJson,
  SecondaryFrame,
  ServerFrame,
} from '@thinman/protocol';
import fc from 'fast-check';
import type { TSchema } from 'typebox';
import { ADMIN_ROUTES, CA_ROUTES, CONTROL_ROUTES, DEVICE_ROUTES, JOIN_ROUTES } from './requests.ts';
import { NAMES } from './strings.ts';
import { valuesOf } from './values.ts';

const SAMPLE = { numRuns: 100, seed: 1 };
/** The rest has what JSON Schema says and the generator does not know, like items that are unique. */
const FITTING = 90;
const LARGE_BYTES = 1024 * 1024;

const ROUTES = [...DEVICE_ROUTES, ...JOIN_ROUTES, ...ADMIN_ROUTES, ...CA_ROUTES, ...CONTROL_ROUTES];
const schemas: Readonly<Record<string, TSchema>> = {
  ...OBJECT_KINDS,
  ...{ DeviceFrame, ServerFrame, SecondaryFrame, PrimaryFrame },
  ...Object.fromEntries(
    ROUTES.flatMap(({ method, path, body }) => (body === undefined ? [] : [[`${method} ${path}`, body]])),
  ),
};

/** What never fits is refused at the door, and nothing behind that is fuzzed. */
describe('values that are made of a schema fit it', () => {
  for (const [name, schema] of Object.entries(schemas)) {
    test(name, () => {
      const values = fc.sample(valuesOf(schema), SAMPLE).map(value => JSON.stringify(value));
      const fitting = values.filter(text => parseJson(schema, text, LARGE_BYTES).ok);
      assert.ok(fitting.length >= FITTING, `${fitting.length} of ${values.length}`);
    });
  }
});

test('names are made up, of characters of every kind, and most of them are names', () => {
  const names = fc.sample(valuesOf(ObjectName), { ...SAMPLE, numRuns: 1_000 }).map(String);
  const others = names.filter(name => !NAMES.includes(name));
  assert.ok(new Set(others).size > 200, `${new Set(others).size} different ones`);
  assert.ok(others.some(name => /\p{M}/u.test(name)) && others.some(name => name.length > 100));
  assert.ok(others.filter(name => nameProblem(name) === undefined).length > others.length * 0.8);
});
