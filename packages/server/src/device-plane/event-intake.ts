import {
  DEVICE_EVENT_TYPES,
  type EventBatch,
  type EventBatchAnswer,
  MAX_EVENT_BYTES,
  type RecordedEvent,
  SERVER_EVENT_TYPES,
  type ThinmanEvent,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../http/outcome.ts';
import { JournalUnavailable } from '../journal/errors.ts';
import type { StoredObject } from '../ports.ts';
import type { DeviceDeps } from './device-deps.ts';

const SERVERS_OWN: ReadonlySet<string> = new Set(
  SERVER_EVENT_TYPES.filter(type => !(DEVICE_EVENT_TYPES as readonly string[]).includes(type)),
);

/** A device's word must not look like a server's; types that are not known here may be a newer agent's. */
function isServersOwn(type: string): boolean {
  return SERVERS_OWN.has(type);
}

/** Takes a device's events: an id is answered when the event is on this server's disk, not before. */
export function createEventIntake({ journal, identity, clock, log }: DeviceDeps) {
  return async (device: StoredObject, { events }: EventBatch): Promise<Outcome<EventBatchAnswer>> => {
    const foreign = events.findIndex(({ type }) => isServersOwn(type));
    if (foreign >= 0) {
      const message = 'is a type of event that servers alone make';
      return refused('bad_request', { problems: [{ field: `events.${foreign}.type`, message }] });
    }
    const tooLarge = events.findIndex(event => Buffer.byteLength(JSON.stringify(event)) > MAX_EVENT_BYTES);
    if (tooLarge >= 0) {
      const message = `is larger than ${MAX_EVENT_BYTES} bytes`;
      return refused('bad_request', { problems: [{ field: `events.${tooLarge}`, message }] });
    }
    const takenAt = clock.nowMs();
    const recorded = events.map(
      (event: ThinmanEvent): RecordedEvent => ({
        ...event,
        // Whose it is comes from the connection, whatever the event says of itself.
        origin: `device:${device.name}`,
        takenBy: identity.name,
        takenAt,
      }),
    );
    try {
      await journal.append({ events: recorded });
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
      log.error({ err: error }, 'events of a device cannot be written down; it keeps them');
      return refused('not_serving');
    }
    return done({ stored: events.map(({ id }) => id) });
  };
}
