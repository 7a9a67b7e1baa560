import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseValue, RecordedEvent } from '@thinman/protocol';
import { recordedEvent } from '../../../../test/support/record-fixtures.ts';
import { asReadable } from './as-readable.ts';

describe('an event on its way to the Primary', () => {
  it('goes as it is', () => {
    const event = recordedEvent();
    assert.equal(asReadable(event, 'secondary'), event);
  });

  it('that nobody would read goes as what is wrong with it, the same each time, so that none behind it is held back', () => {
    const deep = Array.from({ length: 50 }).reduce<unknown>(inner => ({ inner }), 'x');
    const bad = [
      recordedEvent({ user: 'x'.repeat(300) }),
      recordedEvent({ type: 'Not.A.Type' }),
      recordedEvent({ takenAt: -1 }),
      recordedEvent({ data: { deep } }),
      recordedEvent({ data: { text: 'x'.repeat(300_000) } }),
      { ...recordedEvent(), id: 7 } as unknown as RecordedEvent,
    ];
    for (const event of bad) {
      const told = asReadable(event, 'secondary');
      assert.ok(parseValue(RecordedEvent, told).ok);
      assert.deepEqual([told.type, told.origin, told.takenBy], ['event.quarantined', 'server:secondary', 'secondary']);
      assert.ok(String(told.data.reason).length > 5);
      assert.ok(JSON.stringify(told).length < 16_384);
      assert.deepEqual(asReadable(event, 'secondary'), told);
    }
    assert.equal(new Set(bad.map(event => asReadable(event, 'secondary').id)).size, bad.length);
  });
});
