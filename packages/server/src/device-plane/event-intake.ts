import {
  type EventBatch,
  type EventBatchAnswer,
  MAX_EVENT_BYTES,
  type RecordedEvent,
  type ThinmanEvent,
} from '@thinman/protocol';
import { done, type Outcome, refused } from '../admin-plane/outcome.ts';
import { JournalUnavailable } from '../journal/errors.ts';
import type { StoredObject } from '../ports.ts';
import type { DeviceDeps } from './device-deps.ts';

/** Takes a device's events: an id is answered when the event is on this server's disk, not before. */
export function createEventIntake({ journal, identity, clock, log }: DeviceDeps) {
  return async (device: StoredObject, { events }: EventBatch): Promise<Outcome<EventBatchAnswer>> => {
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
