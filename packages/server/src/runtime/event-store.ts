import type { RecordedEvent } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { SourceOfRecord } from '../ports.ts';
import { DatabaseUnavailable } from '../record/errors.ts';

export type EventStoreDeps = {
  readonly record: Pick<SourceOfRecord, 'storeEvents'>;
  /** Writes an event of this server's own; never rejects. */
  readonly tell: (type: 'event.quarantined', data: Record<string, unknown>) => Promise<unknown>;
  readonly log: Pick<Logger, 'error'>;
  /** They are in the source of record. */
  readonly onStored?: (events: readonly RecordedEvent[]) => void;
  /** The source of record lacks what was seen of it: what is handed on to it may go with it. */
  readonly isForked: () => boolean;
};

const FORKED =
  'the database lacks what this server has seen of it: events wait for a decision (thinman-server accept-database)';

/** Puts events into the source of record, and raises an alarm for those that it refuses: they lie in its quarantine. */
export function createEventStore({ record, tell, log, onStored, isForked }: EventStoreDeps) {
  return async (events: readonly RecordedEvent[]): Promise<void> => {
    if (isForked()) throw new DatabaseUnavailable('forked', FORKED);
    const { quarantined } = await record.storeEvents(events);
    onStored?.(events);
    if (quarantined === 0) return;
    log.error({ quarantined }, 'the database refuses events: they lie in its quarantine');
    void tell('event.quarantined', { quarantined });
  };
}
