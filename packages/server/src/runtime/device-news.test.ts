import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { RecordedEvent } from '@thinman/protocol';
import { createLogger } from '../http/logger.ts';
import { logDeviceNews } from './device-news.ts';

const event = (type: string, data: RecordedEvent['data'] = {}): RecordedEvent => ({
  ...{ id: randomUUID(), type, at: 5, data, origin: 'device:tc-1', takenBy: 'primary', takenAt: 6 },
});

test('a failover of a thin client is one line of the log, an alarm a line of level error, and a login none', () => {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ destination: { write: line => void lines.push(JSON.parse(line)) } });
  logDeviceNews(log, [
    event('failover', { from: 'primary', to: 'secondary', why: 'goaway', other: { deep: 'x' } }),
    event('login', { verdict: 'granted' }),
    event('alarm.tls', { server: 'x'.repeat(10_000), why: ['no', 'text'] }),
    event('a.newer.agents', { why: 'unheard of' }),
  ]);
  const [moved, alarm] = lines.map(({ time: _time, ...line }) => line);
  assert.deepEqual(moved, {
    ...{ level: 30, type: 'failover', origin: 'device:tc-1', at: 5, from: 'primary', to: 'secondary', why: 'goaway' },
    msg: 'a thin client has moved to a later server',
  });
  assert.equal(alarm?.level, 50);
  assert.equal(String(alarm?.server).length, 128, 'what a device says fills no log');
  assert.equal(alarm?.why, undefined);
  assert.equal(lines.length, 2);
});
