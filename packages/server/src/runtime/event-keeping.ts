import type { RecordedEvent } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { ServingReason } from '../core/serving-state.ts';
import type { Reserve } from '../journal/reserve.ts';
import type { Clock, EventWriter, Journal, LockoutEvidence } from '../ports.ts';
import { createDirectPath } from './direct-path.ts';
import type { EventRoute } from './event-route.ts';
import { createEventWriter } from './event-writer.ts';
import { guardJournal } from './guarded-journal.ts';
import { createJournalAlarms } from './journal-alarms.ts';
import { journalStatus } from './server-report.ts';

const CANNOT_RECORD: ServingReason = 'cannot_record_events';

export type EventKeepingOptions = {
  /** Of this server. */
  readonly name: string;
  readonly journal: Journal;
  readonly reserve: Pick<Reserve, 'bytes' | 'onChange'>;
  readonly deliver: EventRoute['deliver'];
  /** To the source of record; a Secondary's leads over the link. */
  readonly wayIsOpen: () => boolean;
  /** Where events go has changed. */
  readonly onTurn: () => void;
  /** They are durable. */
  readonly onEvents?: (events: readonly RecordedEvent[]) => void;
  /** What counts for the lockout was seen here, and is durable. */
  readonly onEvidence: (evidence: LockoutEvidence) => void;
  /** These sessions are over, here or by another server's word, and that is durable. */
  readonly onEnded?: (loginIds: readonly string[]) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Where this server's events are made durable, and all that is said about it. */
export type EventKeeping = {
  readonly journal: Journal;
  readonly events: EventWriter;
  /** Writes an event of this server's own; what goes wrong is logged. Never rejects. */
  tell(type: string, data: Record<string, unknown>): Promise<void>;
  healthy(): boolean;
  status(): ReturnType<typeof journalStatus>;
  stop(): void;
};

export function keepEvents(options: EventKeepingOptions): EventKeeping {
  const { name, reserve, clock, log } = options;
  const guard = guardJournal(options.journal, {
    direct: createDirectPath(options.deliver, clock),
    wayIsOpen: options.wayIsOpen,
    probe(journal, path) {
      const writer = createEventWriter(name, journal, clock);
      if (path === 'direct') return writer.write('journal.resumed', {});
      return writer.write('server.state', { why: CANNOT_RECORD });
    },
    onTurn(turn) {
      alarms.turn(turn);
      options.onTurn();
    },
    onTaken({ events, failure, granted, ended = [], heard }) {
      options.onEvents?.(events);
      options.onEvidence({ failures: failure ? [failure] : [], grants: granted ? [granted] : [], ended });
      const over = [...ended, ...(heard?.ended ?? [])].map(({ loginId }) => loginId);
      if (over.length > 0) options.onEnded?.(over);
    },
    clock,
  });
  const { journal } = guard;
  const events = createEventWriter(name, journal, clock);
  const tell = (type: string, data: Record<string, unknown>) =>
    events.write(type, data).catch(error => log.error({ err: error, type }, 'an event was not written'));
  const alarms = createJournalAlarms({ journal, tell, log });
  reserve.onChange(change => alarms.reserve(change, reserve.bytes()));

  return {
    ...{ journal, events, tell, healthy: guard.healthy },
    status: () => journalStatus(guard.path(), journal, reserve, clock),
    stop() {
      guard.stop();
      alarms.stop();
    },
  };
}
