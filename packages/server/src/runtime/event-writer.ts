import { randomUUID } from 'node:crypto';
import type { RecordedEvent } from '@thinman/protocol';
import type { Clock, EventWriter, Journal } from '../ports.ts';

/** Events of the server `name`: in the journal, and so on their way to the source of record, when `write` resolves. */
export function createEventWriter(name: string, journal: Pick<Journal, 'append'>, clock: Clock): EventWriter {
  return {
    async write(type, data, more = {}) {
      const at = clock.nowMs();
      const event: RecordedEvent = {
        id: randomUUID(),
        type,
        at,
        data,
        ...more,
        origin: `server:${name}`,
        takenBy: name,
        takenAt: at,
      };
      await journal.append({ events: [event] });
    },
  };
}
