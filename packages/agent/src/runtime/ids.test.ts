import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { parseValue, Uuid } from '@thinman/protocol';
import { uuidV7 } from './ids.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 12);

test('an id has the form of a UUID version 7, with the time in front', () => {
  const id = uuidV7(NOW_MS, randomUUID());
  assert.ok(parseValue(Uuid, id).ok, id);
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16), NOW_MS);
});

test('ids of one millisecond differ, and a clock before 1970 makes one all the same', () => {
  const ids = new Set(Array.from({ length: 1000 }, () => uuidV7(NOW_MS, randomUUID())));
  assert.equal(ids.size, 1000);
  assert.ok(parseValue(Uuid, uuidV7(-5, randomUUID())).ok);
});
