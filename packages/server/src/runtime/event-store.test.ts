import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { createEventStore } from './event-store.ts';

function storeThatRefuses(quarantined: number, forked = false) {
  const told: unknown[] = [];
  const store = createEventStore({
    record: { storeEvents: async () => ({ quarantined }) },
    tell: async (...event) => void told.push(event),
    log: pino({ level: 'silent' }),
    isForked: () => forked,
  });
  return { store, told };
}

test('events that the database refuses raise an alarm', async () => {
  const { store, told } = storeThatRefuses(2);
  await store([]);
  assert.deepEqual(told, [['event.quarantined', { quarantined: 2 }]]);
});

test('events that it takes raise none', async () => {
  const { store, told } = storeThatRefuses(0);
  await store([]);
  assert.deepEqual(told, []);
});

test('a database that lacks what was seen of it gets no events: they may go with it', async () => {
  const { store } = storeThatRefuses(0, true);
  await assert.rejects(store([]), { name: 'DatabaseUnavailable', trouble: 'forked' });
});
