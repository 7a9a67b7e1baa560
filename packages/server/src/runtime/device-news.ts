import type { DeviceEventType, RecordedEvent } from '@thinman/protocol';
import type { Logger } from 'pino';

type Level = 'info' | 'warn' | 'error';

/** What an operator wants to read of thin clients, of all that they say; the rest is in the events. */
const NEWS: Readonly<Partial<Record<DeviceEventType, readonly [Level, string]>>> = {
  failover: ['info', 'a thin client has moved to a later server'],
  failback: ['info', 'a thin client is back on an earlier server'],
  offline: ['warn', 'a thin client had no server'],
  online: ['info', 'a thin client has a server again'],
  'alarm.tls': ['error', 'a thin client was shown a certificate or key that is not of the site'],
  'alarm.kdf': ['error', 'a thin client was asked to derive a password too weakly, and refused'],
  'alarm.statement': ['error', 'a thin client was shown a site statement that does not hold, and refused'],
  'alarm.secret': ['warn', 'a thin client cannot open its sealed secret, or cannot seal it'],
  'cache.damaged': ['warn', 'the store of a thin client was damaged and begun anew'],
  'events.lost': ['warn', 'a thin client could not carry over some of its events'],
};
/** Names and short words; what else a device writes into an event is not for a log. */
const TOLD = ['from', 'to', 'why', 'server', 'lost', 'count'] as const;
const MAX_TOLD_CHARS = 128;

/** One line each. */
export function logDeviceNews(log: Logger, events: readonly RecordedEvent[]): void {
  for (const { type, origin, at, data } of events) {
    const news = Object.hasOwn(NEWS, type) ? NEWS[type as DeviceEventType] : undefined;
    if (news === undefined) continue;
    const [level, words] = news;
    log[level]({ type, origin, at, ...told(data) }, words);
  }
}

function told(data: RecordedEvent['data']): Record<string, string | number> {
  const known: Record<string, string | number> = {};
  for (const key of TOLD) {
    const value = data[key];
    if (typeof value === 'number') known[key] = value;
    else if (typeof value === 'string') known[key] = value.slice(0, MAX_TOLD_CHARS);
  }
  return known;
}
