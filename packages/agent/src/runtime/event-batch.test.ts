import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_BODY_BYTES, MAX_EVENT_BYTES, MAX_EVENTS_PER_BATCH, type ThinmanEvent } from '@thinman/protocol';
import { fittingBatch } from './event-batch.ts';

const event = (id: number, chars: number): ThinmanEvent => ({
  id: `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`,
  type: 'login',
  at: 0,
  data: { text: 'é'.repeat(chars) },
});

test('a batch of the largest events that servers take is one body', () => {
  const events = Array.from({ length: MAX_EVENTS_PER_BATCH }, (_, id) => event(id, MAX_EVENT_BYTES / 2 - 200));
  let left: readonly ThinmanEvent[] = events;
  while (left.length > 0) {
    const batch = fittingBatch(left);
    assert.ok(batch.length > 0);
    assert.deepEqual(batch, left.slice(0, batch.length), 'from the beginning, in order');
    assert.ok(Buffer.byteLength(JSON.stringify({ events: batch })) <= MAX_BODY_BYTES);
    left = left.slice(batch.length);
  }
});

test('small ones go together', () => {
  const events = Array.from({ length: MAX_EVENTS_PER_BATCH }, (_, id) => event(id, 100));
  assert.deepEqual(fittingBatch(events), events);
  assert.deepEqual(fittingBatch([]), []);
});
