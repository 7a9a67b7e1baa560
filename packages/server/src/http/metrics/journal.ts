import type { JournalStatus, ServerReport } from '@thinman/protocol';
import { Gauge, type Registry } from 'prom-client';

const MS_PER_SECOND = 1000;

/** How full the journal is. */
export function journal(registry: Registry, report: () => ServerReport): void {
  new Gauge({
    name: 'thinman_journal_pending',
    help: 'Events of the journal that are not in the source of record yet',
    registers: [registry],
    collect() {
      this.set(report().journalPending);
    },
  });
  const gauge = (name: string, help: string, read: (journal: JournalStatus) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const now = report().journal;
        if (now !== undefined) this.set(read(now));
      },
    });
  gauge('thinman_journal_bytes', 'Size of the journal on disk', ({ bytes }) => bytes);
  gauge('thinman_journal_pending_bytes', 'What these events take', ({ pendingBytes }) => pendingBytes);
  gauge('thinman_journal_limit_bytes', 'What may wait; at this, nothing more is taken', ({ limitBytes }) => limitBytes);
  gauge(
    'thinman_journal_oldest_pending_seconds',
    'How long the oldest event has waited; 0 when none does',
    ({ oldestPendingMs }) => oldestPendingMs / MS_PER_SECOND,
  );
  gauge(
    'thinman_journal_reserve_bytes',
    'Room that is kept for the journal on a full disk',
    ({ reserveBytes }) => reserveBytes,
  );
  gauge('thinman_journal_bypassed', '1 while the journal takes no events', ({ path }) => Number(path !== 'journal'));
}
